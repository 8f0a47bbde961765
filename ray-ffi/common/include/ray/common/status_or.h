// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Drop-in for Ray's header of this name: a value, or why there is none.

#pragma once

#include <new>
#include <string>
#include <type_traits>
#include <utility>

#include "ray/common/macros.h"
#include "ray/common/status.h"
#include "ray/util/logging.h"

#if !__has_include("plasma_rs/standalone.h")
#include "absl/base/attributes.h"
#endif

/// Declares or sets `var` to the value of a StatusOr; returns its status from the calling function when there is none.
#define RAY_ASSIGN_OR_RETURN(var, expr) \
  PLASMA_RS_ASSIGN_OR_RETURN(var, expr, RAY_UNIQUE_VARIABLE(_ray_statusor))
#define PLASMA_RS_ASSIGN_OR_RETURN(var, expr, statusor) \
  auto statusor = (expr);                               \
  RAY_RETURN_NOT_OK(statusor.status());                 \
  var = std::move(statusor).value()

/// The same, but ends the process.
#define RAY_ASSIGN_OR_CHECK(var, expr) \
  PLASMA_RS_ASSIGN_OR_CHECK(var, expr, RAY_UNIQUE_VARIABLE(_ray_statusor))
#define PLASMA_RS_ASSIGN_OR_CHECK(var, expr, statusor) \
  auto statusor = (expr);                              \
  RAY_CHECK_OK(statusor.status());                     \
  var = std::move(statusor).value()

namespace ray {

/// A value if the status is OK, and only then.
///
/// The value lies in the object itself. What is moved from keeps its status, and its value, moved from.
template <typename T>
class StatusOr {
  static_assert(std::is_default_constructible_v<T>, "a value must be able to be made from nothing");

 public:
  /// With a value that is made from nothing.
  StatusOr() noexcept(std::is_nothrow_default_constructible_v<T>) : value_() {}

  /// What can be returned for a StatusOr. A status that is OK comes with a value that is made from nothing.
  StatusOr(Status status) : status_(std::move(status)) {  // NOLINT: implicit, as the next two
    if (ok()) {
      Make();
    }
  }
  StatusOr(const T &value) : value_(value) {}        // NOLINT
  StatusOr(T &&value) : value_(std::move(value)) {}  // NOLINT

  template <typename... Args>
  explicit StatusOr(std::in_place_t /*in_place*/, Args &&...args)
      : value_(std::forward<Args>(args)...) {}

  template <typename U>
  StatusOr(const StatusOr<U> &other) : status_(other.status()) {  // NOLINT
    if (ok()) {
      Make(*other);
    }
  }
  template <typename U>
  StatusOr(StatusOr<U> &&other) : status_(other.status()) {  // NOLINT
    if (ok()) {
      Make(*std::move(other));
    }
  }

  StatusOr(const StatusOr &other) : status_(other.status_) {
    if (ok()) {
      Make(other.value_);
    }
  }
  StatusOr(StatusOr &&other) noexcept(std::is_nothrow_move_constructible_v<T>)
      : status_(other.status_) {
    if (ok()) {
      Make(std::move(other.value_));
    }
  }

  StatusOr &operator=(const StatusOr &other) {
    if (this != &other) {
      Assign(other.status_, other.value_);
    }
    return *this;
  }
  StatusOr &operator=(StatusOr &&other) noexcept(std::is_nothrow_move_constructible_v<T> &&
                                                 std::is_nothrow_move_assignable_v<T>) {
    if (this != &other) {
      Assign(other.status_, std::move(other.value_));
    }
    return *this;
  }

  ~StatusOr() noexcept(std::is_nothrow_destructible_v<T>) { Clear(); }

  bool ok() const { return status_.ok(); }
  explicit operator bool() const { return ok(); }

  [[nodiscard]] StatusCode code() const { return status_.code(); }
  [[nodiscard]] std::string message() const { return status_.message(); }
  std::string ToString() const { return status_.ToString(); }
  std::string StatusString() const { return status_.StatusString(); }

  bool IsNotFound() const { return status_.IsNotFound(); }
  bool IsInvalidArgument() const { return status_.IsInvalidArgument(); }
  bool IsInvalid() const { return status_.IsInvalid(); }
  bool IsPermissionDenied() const { return status_.IsPermissionDenied(); }

  [[nodiscard]] const Status &status() const & { return status_; }
  /// A copy: the status here says whether there is a value.
  [[nodiscard]] Status status() && { return status_; }

  /// Ends the process when there is no value.
  T &value() & {
    RAY_CHECK(ok()) << ToString();
    return value_;
  }
  const T &value() const & {
    RAY_CHECK(ok()) << ToString();
    return value_;
  }
  T &&value() && {
    RAY_CHECK(ok()) << ToString();
    return std::move(value_);
  }

  /// Without a check. There must be a value.
  T &operator*() & { return value_; }
  const T &operator*() const & { return value_; }
  T &&operator*() && { return std::move(value_); }
  T *operator->() { return &value_; }
  const T *operator->() const { return &value_; }

  template <typename U>
  T value_or(U &&otherwise) const & {
    return ok() ? value_ : T{std::forward<U>(otherwise)};
  }
  template <typename U>
  T value_or(U &&otherwise) && {
    return ok() ? std::move(value_) : T{std::forward<U>(otherwise)};
  }

  /// The value, or one that is made from nothing.
  T value_or_default() const & { return ok() ? value_ : T{}; }
  T value_or_default() && { return ok() ? std::move(value_) : T{}; }

  /// What `next` makes of this if there is a value; else the status.
  template <typename F>
  auto and_then(F &&next) & {
    return AndThen(*this, std::forward<F>(next));
  }
  template <typename F>
  auto and_then(F &&next) const & {
    return AndThen(*this, std::forward<F>(next));
  }
  template <typename F>
  auto and_then(F &&next) && {
    return AndThen(*this, std::forward<F>(next));
  }

  /// The value if there is one; else what `other` makes of the status.
  template <typename F>
  auto or_else(F &&other) & {
    return OrElse(*this, std::forward<F>(other));
  }
  template <typename F>
  auto or_else(F &&other) const & {
    return OrElse(*this, std::forward<F>(other));
  }
  template <typename F>
  auto or_else(F &&other) && {
    return OrElse(std::move(*this), std::forward<F>(other));
  }

  void swap(StatusOr &other) {
    StatusOr kept(std::move(other));
    other = std::move(*this);
    *this = std::move(kept);
  }
  friend void swap(StatusOr &left, StatusOr &right) { left.swap(right); }

 private:
  template <typename Self, typename F>
  static auto AndThen(Self &self, F &&next) {
    using Result = std::decay_t<decltype(std::forward<F>(next)(self))>;
    return self.ok() ? Result(std::forward<F>(next)(self)) : Result(self.status());
  }

  template <typename Self, typename F>
  static auto OrElse(Self &&self, F &&other) {
    using Result = std::decay_t<decltype(std::forward<F>(other)(self.status()))>;
    return self.ok() ? Result(*std::forward<Self>(self))
                     : Result(std::forward<F>(other)(self.status()));
  }

  template <typename... Args>
  void Make(Args &&...args) {
    // Until there is a value the status may not say so: a constructor that throws runs no destructor of ours.
    new (&value_) T(std::forward<Args>(args)...);
  }

  void Clear() {
    if (ok()) {
      value_.~T();
    }
  }

  /// `value` is only looked at if the status is OK. What throws leaves everything as it was, or as `T` leaves it.
  template <typename U>
  void Assign(const Status &status, U &&value) {
    if (!status.ok()) {
      Status copy = status;
      Clear();
      status_ = std::move(copy);
    } else if (ok()) {
      if constexpr (std::is_assignable_v<T &, U>) {
        value_ = std::forward<U>(value);
      } else {
        T made(std::forward<U>(value));
        Clear();
        Make(std::move(made));
      }
    } else {
      Make(std::forward<U>(value));
      status_ = Status::OK();
    }
  }

  Status status_;
  // Alive if the status is OK. In a union, for else it is not even made.
  union {
    T value_;
  };
};

template <typename T>
bool operator==(const StatusOr<T> &left, const StatusOr<T> &right) {
  return left.ok() && right.ok() ? *left == *right : left.code() == right.code();
}

template <typename T>
bool operator!=(const StatusOr<T> &left, const StatusOr<T> &right) {
  return !(left == right);
}

}  // namespace ray
