// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Drop-in for Ray's header of this name: how something ended. What is well is a null pointer and costs nothing. Texts of the
// codes are in Rust (`ray_common::status`).

#pragma once

#include <memory>
#include <ostream>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>

#include "plasma_rs/status_codes.h"
#include "plasma_rs/status_set.h"
#include "ray/common/macros.h"
#include "ray/common/source_location.h"
#include "ray/util/logging.h"
#include "ray/util/macros.h"
#include "ray/util/visibility.h"

#if !__has_include("plasma_rs/standalone.h")
#include "absl/strings/str_cat.h"
#endif

namespace boost {
namespace system {
class error_code;
}  // namespace system
}  // namespace boost

/// Returns a status that is not OK from the calling function.
#define RAY_RETURN_NOT_OK(s)                     \
  do {                                           \
    const ::ray::Status &_ray_status = (s);      \
    if (RAY_PREDICT_FALSE(!_ray_status.ok())) {  \
      return _ray_status;                        \
    }                                            \
  } while (0)

/// Ends the process when a status is not OK. `<<` appends to what is logged then.
#define RAY_CHECK_OK(s)                                                              \
  if (const ::ray::Status &RAY_UNIQUE_VARIABLE(_ray_checked) = (s);                  \
      RAY_PREDICT_TRUE(RAY_UNIQUE_VARIABLE(_ray_checked).ok())) {                    \
  } else                                                                             \
    RAY_CHECK_WITH_DISPLAY(false, #s)                                                \
        << "Status not OK: " << RAY_UNIQUE_VARIABLE(_ray_checked).ToString() << " "

/// Declares or sets `var` to the value of a StatusSetOr. Ends the process when there is none.
#define RAY_ASSIGN_OR_CHECK_SET(var, expr) \
  PLASMA_RS_ASSIGN_OR_CHECK_SET(var, expr, RAY_UNIQUE_VARIABLE(_ray_result))
#define PLASMA_RS_ASSIGN_OR_CHECK_SET(var, expr, result)  \
  auto result = (expr);                                   \
  RAY_CHECK(result.has_value()) << result.message();      \
  var = std::move(result).value()

namespace ray {

enum class StatusCode : char {
  OK = 0,
#define PLASMA_RS_CODE(Name, number) Name = number,
  PLASMA_RS_ERRORS(PLASMA_RS_CODE)
#undef PLASMA_RS_CODE
};

#if defined(__clang__)
// Only clang takes it for a type.
class RAY_MUST_USE_RESULT RAY_EXPORT Status;
#endif

/// Well, or a code with a message. Const functions can be called from several threads at once.
class RAY_EXPORT Status {
 public:
  /// OK.
  Status() = default;

  /// `rpc_code` is that of the transport, for an RpcError. With the code OK the rest does not count.
  Status(StatusCode code, const std::string &msg, int rpc_code = -1);
  Status(StatusCode code, const std::string &msg, SourceLocation loc, int rpc_code = -1);

  Status(const Status &other)
      : state_(other.ok() ? nullptr : std::make_unique<State>(*other.state_)) {}
  Status &operator=(const Status &other) {
    if (this != &other) {
      state_ = other.ok() ? nullptr : std::make_unique<State>(*other.state_);
    }
    return *this;
  }

  /// What is moved from is OK.
  Status(Status &&other) noexcept = default;
  Status &operator=(Status &&other) noexcept = default;
  ~Status() = default;

  static Status OK() { return Status(); }

#define PLASMA_RS_MAKE(Name, number)                                                      \
  static Status Name(const std::string &msg) { return Status(StatusCode::Name, msg); }
  PLASMA_RS_PLAIN_ERRORS(PLASMA_RS_MAKE)
#undef PLASMA_RS_MAKE
  static Status RpcError(const std::string &msg, int rpc_code) {
    return Status(StatusCode::RpcError, msg, rpc_code);
  }

  bool ok() const { return state_ == nullptr; }

#define PLASMA_RS_IS(Name, number)                                    \
  bool Is##Name() const { return code() == StatusCode::Name; }
  PLASMA_RS_ERRORS(PLASMA_RS_IS)
#undef PLASMA_RS_IS

  StatusCode code() const { return ok() ? StatusCode::OK : state_->code; }

  /// Empty when all is well.
  std::string message() const { return ok() ? std::string() : state_->msg; }

  /// The code of the transport; -1 when there is none.
  int rpc_code() const { return ok() ? -1 : state_->rpc_code; }

  /// The code's text, the message, the transport's code if it is an RpcError, and where it was made if that is known.
  std::string ToString() const;
  /// The same, under a name that StatusOr has too.
  std::string StatusString() const { return ToString(); }

  /// The code's text; "Unknown" for a number that is none.
  std::string CodeAsString() const;
  /// The code of a text; IOError for any other text.
  static StatusCode StringToCode(const std::string &str);

  /// Appends to the message. What is OK has none, and stays OK.
  template <typename T>
  Status &operator<<(T &&text) {
    if (!ok()) {
#if __has_include("plasma_rs/standalone.h")
      std::ostringstream written;
      written << std::forward<T>(text);
      state_->msg += written.str();
#else
      absl::StrAppend(&state_->msg, std::forward<T>(text));
#endif
    }
    return *this;
  }

 private:
  struct State {
    StatusCode code;
    std::string msg;
    SourceLocation loc;
    int rpc_code;
  };

  std::unique_ptr<State> state_;
};

static_assert(sizeof(Status) == sizeof(void *));

inline std::ostream &operator<<(std::ostream &out, const Status &status) {
  return out << status.ToString();
}

/// What an error of Asio's means: OK, or an IOError with its text.
Status boost_to_ray_status(const boost::system::error_code &error);

}  // namespace ray
