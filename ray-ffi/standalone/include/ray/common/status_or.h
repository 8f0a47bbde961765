// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Stand-in for Ray's header of this name, with as much as the drop-in headers need. Inside a Ray build Ray's serves.

#pragma once

#include <optional>
#include <utility>

#include "ray/common/status.h"

namespace ray {

/// A value, or why there is none.
template <typename T>
class StatusOr {
 public:
  StatusOr(Status status) : status_(std::move(status)) {}          // NOLINT
  StatusOr(T value) : value_(std::move(value)) {}                  // NOLINT

  bool ok() const { return value_.has_value(); }
  const Status &status() const { return status_; }
  const T &value() const { return *value_; }
  const T &operator*() const { return *value_; }
  const T *operator->() const { return &*value_; }

 private:
  Status status_;
  std::optional<T> value_;
};

}  // namespace ray
