// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "ray/common/id.h"

#include <algorithm>
#include <array>

#include "ray-ffi/common/src/id.rs.h"
#include "rust/cxx.h"

namespace plasma_rs {
namespace ids {
namespace {

template <typename Id>
std::array<uint8_t, Id::Size()> BytesOf(const Id &id) {
  std::array<uint8_t, Id::Size()> bytes;
  std::memcpy(bytes.data(), id.Data(), bytes.size());
  return bytes;
}

template <typename Id, size_t kSize>
Id IdOf(const std::array<uint8_t, kSize> &bytes) {
  static_assert(Id::Size() == kSize);
  return FromBytes<Id>(bytes.data());
}

rust::Slice<const uint8_t> SliceOf(std::string_view text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

}  // namespace

void Randomize(uint8_t *bytes, size_t size) { fill_random({bytes, size}); }

void WriteHex(const uint8_t *bytes, size_t size, char *text) {
  write_hex({bytes, size}, {reinterpret_cast<uint8_t *>(text), 2 * size});
}

std::string ReadHex(std::string_view text, uint8_t *bytes, size_t size) {
  try {
    read_hex(SliceOf(text), {bytes, size});
    return std::string();
  } catch (const rust::Error &error) {
    return error.what();
  }
}

std::string WrongLength(size_t expected, size_t actual) {
  return std::string(wrong_length(expected, actual));
}

void LogBadHex(const std::string &fault, std::string_view text) {
  // As much as is needed to find where it came from.
  constexpr size_t kShown = 80;
  RAY_LOG(ERROR) << fault << ", hex string: " << text.substr(0, kShown)
                 << (text.size() > kShown ? "..." : "");
}

}  // namespace ids
}  // namespace plasma_rs

namespace ray {

using plasma_rs::ids::BytesOf;
using plasma_rs::ids::IdOf;

WorkerID ComputeDriverIdFromJob(const JobID &job_id) {
  return IdOf<WorkerID>(plasma_rs::ids::driver_worker(BytesOf(job_id)));
}

ActorID ActorID::Of(const JobID &job_id,
                    const TaskID &parent_task_id,
                    size_t parent_task_counter) {
  return IdOf<ActorID>(
      plasma_rs::ids::actor(BytesOf(job_id), BytesOf(parent_task_id), parent_task_counter));
}

ActorID ActorID::NilFromJob(const JobID &job_id) {
  return IdOf<ActorID>(plasma_rs::ids::nil_actor(BytesOf(job_id)));
}

TaskID TaskID::ComputeDriverTaskId(const WorkerID &driver_id) {
  return IdOf<TaskID>(plasma_rs::ids::task_of_driver(BytesOf(driver_id)));
}

TaskID TaskID::ForDriverTask(const JobID &job_id) {
  return IdOf<TaskID>(plasma_rs::ids::driver_task(BytesOf(job_id)));
}

TaskID TaskID::FromRandom(const JobID &job_id) {
  return IdOf<TaskID>(plasma_rs::ids::random_task(BytesOf(job_id)));
}

TaskID TaskID::ForActorCreationTask(const ActorID &actor_id) {
  return IdOf<TaskID>(plasma_rs::ids::creation_task(BytesOf(actor_id)));
}

TaskID TaskID::ForActorTask(const JobID &job_id,
                            const TaskID &parent_task_id,
                            size_t parent_task_counter,
                            const ActorID &actor_id) {
  return IdOf<TaskID>(plasma_rs::ids::actor_task(
      BytesOf(job_id), BytesOf(parent_task_id), parent_task_counter, BytesOf(actor_id)));
}

TaskID TaskID::ForNormalTask(const JobID &job_id,
                             const TaskID &parent_task_id,
                             size_t parent_task_counter) {
  return IdOf<TaskID>(
      plasma_rs::ids::normal_task(BytesOf(job_id), BytesOf(parent_task_id), parent_task_counter));
}

TaskID TaskID::ForExecutionAttempt(const TaskID &task_id, uint64_t attempt_number) {
  return IdOf<TaskID>(plasma_rs::ids::execution_attempt(BytesOf(task_id), attempt_number));
}

ObjectID ObjectID::FromRandom() {
  return IdOf<ObjectID>(plasma_rs::ids::random_object());
}

ObjectID ObjectID::ForActorHandle(const ActorID &actor_id) {
  return IdOf<ObjectID>(plasma_rs::ids::actor_handle(BytesOf(actor_id)));
}

PlacementGroupID PlacementGroupID::Of(const JobID &job_id) {
  return IdOf<PlacementGroupID>(plasma_rs::ids::placement_group(BytesOf(job_id)));
}

LeaseID LeaseID::FromWorker(const WorkerID &worker_id, uint32_t counter) {
  return IdOf<LeaseID>(plasma_rs::ids::lease_from_worker(BytesOf(worker_id), counter));
}

const NodeID kGCSNodeID = NodeID::FromBinary(std::string(NodeID::Size(), '\0'));

}  // namespace ray
