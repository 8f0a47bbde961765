// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include <algorithm>

#include "channel.h"
#include "ray/common/ray_config.h"
#include "ray/object_manager/common.h"
#include "ray/util/logging.h"

namespace plasma_rs {

std::int64_t StatusCheck::interval_ms() const {
  return check_ ? RayConfig::instance().get_check_signal_interval_milliseconds() : 0;
}

bool StatusCheck::wants_to_stop() const {
  status_ = check_();
  return !status_.ok();
}

ray::Status StatusCheck::StatusOf(const ChannelOutcome &outcome) const {
  return outcome.kind == ChannelOutcomeKind::Interrupted ? status_ : ToStatus(outcome);
}

ray::Status ToStatus(const ChannelOutcome &outcome) {
  const std::string message(outcome.message);
  switch (outcome.kind) {
  case ChannelOutcomeKind::Ok:
    return ray::Status::OK();
  case ChannelOutcomeKind::TimedOut:
    return ray::Status::ChannelTimeoutError(message);
  case ChannelOutcomeKind::Invalid:
    return ray::Status::Invalid(message);
  case ChannelOutcomeKind::InvalidArgument:
    return ray::Status::InvalidArgument(message);
  case ChannelOutcomeKind::OutOfTurn:
    RAY_LOG(FATAL) << message;
    return ray::Status::ChannelError(message);
  default:
    return ray::Status::ChannelError(message);
  }
}

}  // namespace plasma_rs

namespace ray {

namespace {

plasma_rs::HeaderAddress AddressOf(const PlasmaObjectHeader *header,
                                   const sem_t *object_sem,
                                   const sem_t *header_sem) {
  RAY_CHECK(object_sem != nullptr) << "the channel has no semaphores";
  RAY_CHECK(header_sem != nullptr) << "the channel has no semaphores";
  plasma_rs::HeaderAddress address;
  address.header = reinterpret_cast<std::size_t>(header);
  address.object_semaphore = reinterpret_cast<std::size_t>(object_sem);
  address.header_semaphore = reinterpret_cast<std::size_t>(header_sem);
  return address;
}

std::int64_t NanosecondsUntil(const std::optional<PlasmaObjectHeader::TimePoint> &point) {
  if (!point.has_value()) {
    return -1;
  }
  const auto left = *point - std::chrono::steady_clock::now();
  return std::max<std::int64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(left).count(), 0);
}

/// Sizes above this are none; Rust refuses them.
std::int64_t Whole(std::uint64_t size) {
  return static_cast<std::int64_t>(std::min<std::uint64_t>(size, INT64_MAX));
}

}  // namespace

void PlasmaObjectHeader::Init() {
  plasma_rs::header_initialize(reinterpret_cast<std::size_t>(this));
}

Status PlasmaObjectHeader::WriteAcquire(Semaphores &sem,
                                        uint64_t write_data_size,
                                        uint64_t write_metadata_size,
                                        int64_t write_num_readers,
                                        const std::optional<TimePoint> &timeout_point) {
  return plasma_rs::ToStatus(
      plasma_rs::header_write_acquire(AddressOf(this, sem.object_sem, sem.header_sem),
                                      Whole(write_data_size),
                                      Whole(write_metadata_size),
                                      write_num_readers,
                                      NanosecondsUntil(timeout_point)));
}

Status PlasmaObjectHeader::WriteRelease(Semaphores &sem) {
  return plasma_rs::ToStatus(
      plasma_rs::header_write_release(AddressOf(this, sem.object_sem, sem.header_sem)));
}

Status PlasmaObjectHeader::ReadAcquire(const ObjectID & /*object_id*/,
                                       Semaphores &sem,
                                       int64_t version_to_read,
                                       int64_t &version_read,
                                       const std::function<Status()> &check_signals,
                                       const std::optional<TimePoint> &timeout_point) {
  const plasma_rs::StatusCheck check(check_signals);
  plasma_rs::ValueRead read = {};
  const auto outcome =
      plasma_rs::header_read_acquire(AddressOf(this, sem.object_sem, sem.header_sem),
                                     version_to_read,
                                     NanosecondsUntil(timeout_point),
                                     check,
                                     read);
  if (outcome.kind == plasma_rs::ChannelOutcomeKind::Ok) {
    version_read = read.version;
  }
  return check.StatusOf(outcome);
}

Status PlasmaObjectHeader::ReadRelease(Semaphores &sem, int64_t read_version) {
  return plasma_rs::ToStatus(plasma_rs::header_read_release(
      AddressOf(this, sem.object_sem, sem.header_sem), read_version));
}

Status PlasmaObjectHeader::TryToAcquireSemaphore(
    sem_t *sem,
    const std::optional<TimePoint> &timeout_point,
    const std::function<Status()> &check_signals) const {
  const plasma_rs::StatusCheck check(check_signals);
  return check.StatusOf(plasma_rs::header_take(
      AddressOf(this, sem, sem), NanosecondsUntil(timeout_point), check));
}

void PlasmaObjectHeader::SetErrorUnlocked(Semaphores &sem) {
  plasma_rs::header_set_error(AddressOf(this, sem.object_sem, sem.header_sem));
}

Status PlasmaObjectHeader::CheckHasError() const {
  return plasma_rs::ToStatus(
      plasma_rs::header_check(reinterpret_cast<std::size_t>(this)));
}

void PrintPlasmaObjectHeader(const PlasmaObjectHeader *header) {
  RAY_LOG(DEBUG) << std::string(
      plasma_rs::header_describe(reinterpret_cast<std::size_t>(header)));
}

}  // namespace ray
