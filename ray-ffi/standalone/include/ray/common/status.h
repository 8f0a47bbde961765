// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Stand-in for Ray's header of this name, with as much as the drop-in headers need. Inside a Ray build Ray's serves.

#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <utility>

#include "ray/util/logging.h"

namespace boost {
namespace system {
class error_code;
}  // namespace system
}  // namespace boost

namespace ray {

enum class StatusCode : char {
  OK = 0,
  OutOfMemory = 1,
  Invalid = 4,
  IOError = 5,
  UnknownError = 9,
  NotImplemented = 10,
  TimedOut = 12,
  NotFound = 17,
  Disconnected = 18,
  ObjectExists = 21,
  ObjectNotFound = 22,
  ObjectAlreadySealed = 23,
  ObjectStoreFull = 24,
  TransientObjectStoreFull = 25,
  OutOfDisk = 28,
  InvalidArgument = 34,
};

/// How something ended: well, or with a code and a message.
class Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message)
      : failure_(code == StatusCode::OK
                     ? nullptr
                     : std::make_shared<const Failure>(Failure{code, std::move(message)})) {}

  static Status OK() { return Status(); }

#define PLASMA_RS_STATUS(Name)                                                    \
  static Status Name(const std::string &message) {                                \
    return Status(StatusCode::Name, message);                                     \
  }                                                                               \
  bool Is##Name() const { return code() == StatusCode::Name; }

  PLASMA_RS_STATUS(OutOfMemory)
  PLASMA_RS_STATUS(Invalid)
  PLASMA_RS_STATUS(IOError)
  PLASMA_RS_STATUS(UnknownError)
  PLASMA_RS_STATUS(NotImplemented)
  PLASMA_RS_STATUS(TimedOut)
  PLASMA_RS_STATUS(NotFound)
  PLASMA_RS_STATUS(Disconnected)
  PLASMA_RS_STATUS(ObjectExists)
  PLASMA_RS_STATUS(ObjectNotFound)
  PLASMA_RS_STATUS(ObjectAlreadySealed)
  PLASMA_RS_STATUS(ObjectStoreFull)
  PLASMA_RS_STATUS(TransientObjectStoreFull)
  PLASMA_RS_STATUS(OutOfDisk)
  PLASMA_RS_STATUS(InvalidArgument)
#undef PLASMA_RS_STATUS

  bool ok() const { return failure_ == nullptr; }
  StatusCode code() const { return ok() ? StatusCode::OK : failure_->code; }
  std::string message() const { return ok() ? std::string() : failure_->message; }
  /// The name of the code and the message.
  std::string ToString() const;

  friend std::ostream &operator<<(std::ostream &out, const Status &status) {
    return out << status.ToString();
  }

 private:
  struct Failure {
    StatusCode code;
    std::string message;
  };

  std::shared_ptr<const Failure> failure_;
};

/// What an error of Asio's means.
Status boost_to_ray_status(const boost::system::error_code &error);

}  // namespace ray

#define RAY_RETURN_NOT_OK(expression)           \
  do {                                          \
    const ::ray::Status &status_ = (expression); \
    if (!status_.ok()) {                        \
      return status_;                           \
    }                                           \
  } while (0)
