// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// What the shells of channels share.

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "plasma_rs/hooks.h"
#include "ray-ffi/src/channel.rs.h"
#include "ray/common/status.h"
#include "ray/core_worker/experimental_mutable_object_manager.h"

namespace plasma_rs {

/// Asks Ray's check for signals, if there is one, and keeps what it says.
class StatusCheck : public SignalCheck {
 public:
  explicit StatusCheck(const std::function<ray::Status()> &check) : check_(check) {}

  std::int64_t interval_ms() const override;
  bool wants_to_stop() const override;

  /// The status of a call that this was given to.
  ray::Status StatusOf(const ChannelOutcome &outcome) const;

 private:
  const std::function<ray::Status()> &check_;
  mutable ray::Status status_;
};

/// The status of a call without a check. What Ray takes for a mistake of the program ends the process.
ray::Status ToStatus(const ChannelOutcome &outcome);

/// Reaches the handle of a manager.
class ChannelAccess {
 public:
  static const ChannelManagerHandle &Rust(
      const ray::experimental::MutableObjectManager &manager) {
    return *manager.handle_;
  }
};

}  // namespace plasma_rs
