// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Results of functions that say in their type which errors they can end with. Part of ray/common/status.h.
//
//   ray::StatusSetOr<int64_t, ray::StatusT::NotFound, ray::StatusT::IOError> SizeOf(const std::string &path);
//
//   const auto size = SizeOf(path);
//   if (size.has_error()) {
//     std::visit(ray::overloaded{[](const ray::StatusT::NotFound &) { ... },
//                                [](const ray::StatusT::IOError &error) { Report(error.message()); }},
//                size.error());
//   }

#pragma once

#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "plasma_rs/status_codes.h"
#include "ray/util/logging.h"

namespace ray {

/// Several function objects as one with several signatures, for std::visit.
template <typename... Visitors>
struct overloaded : Visitors... {
  using Visitors::operator()...;
};
template <typename... Visitors>
overloaded(Visitors...) -> overloaded<Visitors...>;

namespace StatusT {

/// All is well.
class OK {};

#define PLASMA_RS_ERROR_TYPE(Name)                                                          \
  class Name {                                                                              \
   public:                                                                                  \
    template <typename Text,                                                                \
              typename = std::enable_if_t<std::is_constructible_v<std::string, Text>>>      \
    explicit Name(Text &&message) : message_(std::forward<Text>(message)) {}                \
    const std::string &message() const { return message_; }                                 \
    std::string &message() { return message_; }                                             \
    std::string ToString() const { return "StatusT: " #Name ", Message: " + message_; }     \
                                                                                            \
   private:                                                                                 \
    std::string message_;                                                                   \
  };

PLASMA_RS_ERROR_TYPES(PLASMA_RS_ERROR_TYPE)
#undef PLASMA_RS_ERROR_TYPE

}  // namespace StatusT

/// Well, or one of these errors.
template <typename... Errors>
class StatusSet {
  static_assert(!(std::is_same_v<Errors, StatusT::OK> || ...), "OK is no error");

 public:
  using Error = std::variant<Errors...>;

  StatusSet(StatusT::OK /*ok*/) {}  // NOLINT: implicit, for `return`

  template <typename From, typename = std::enable_if_t<std::is_constructible_v<Error, From>>>
  StatusSet(From &&error) : error_(std::forward<From>(error)) {}  // NOLINT

  bool ok() const { return !has_error(); }
  bool has_error() const { return error_.has_value(); }

  /// Ends the process when there is none.
  const Error &error() const { return Checked(error_); }
  Error &error() { return Checked(error_); }

 private:
  template <typename Optional>
  static auto &Checked(Optional &error) {
    RAY_CHECK(error.has_value()) << "a StatusSet that is OK has no error";
    return *error;
  }

  std::optional<Error> error_;
};

/// A value, or one of these errors.
template <typename Value, typename... Errors>
class StatusSetOr {
  static_assert(!(std::is_same_v<Errors, StatusT::OK> || ...), "OK is no error");

 public:
  using Error = std::variant<Errors...>;

  /// With a value that is made from nothing.
  StatusSetOr() = default;

  template <
      typename From,
      typename = std::enable_if_t<std::is_constructible_v<std::variant<Value, Error>, From>>>
  StatusSetOr(From &&from) : either_(std::forward<From>(from)) {}  // NOLINT: implicit, for `return`

  bool has_value() const { return either_.index() == 0; }
  bool has_error() const { return either_.index() == 1; }

  /// Throws std::bad_variant_access when there is none; error() likewise.
  const Value &value() const & { return std::get<0>(either_); }
  Value &value() & { return std::get<0>(either_); }
  Value &&value() && { return std::get<0>(std::move(either_)); }
  const Error &error() const { return std::get<1>(either_); }
  Error &error() { return std::get<1>(either_); }

  /// The message of the error.
  std::string message() const {
    return std::visit([](const auto &error) -> std::string { return error.message(); }, error());
  }

 private:
  std::variant<Value, Error> either_;
};

}  // namespace ray
