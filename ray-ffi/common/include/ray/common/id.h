// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Drop-in for Ray's header of this name. An id is a value: a hash that is computed on demand, then the bytes, packed. What is
// done often with it is inline here; how one is made of others is in Rust (`ray_common::id`), where the layout of each is
// explained.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "plasma_rs/base_id.h"
#include "plasma_rs/id_bytes.h"
#include "ray/common/constants.h"
#include "ray/util/logging.h"
#include "ray/util/visibility.h"
#include "src/ray/protobuf/common.pb.h"

// Only Ray's own code packs ids into MessagePack, and expects random.h from here.
#if __has_include("plasma_rs/standalone.h")
#define PLASMA_RS_MSGPACK_ID()
#else
#include <msgpack.hpp>

#include "ray/util/random.h"
#define PLASMA_RS_MSGPACK_ID() MSGPACK_DEFINE(id_)
#endif

namespace ray {

class ActorID;
class JobID;
class TaskID;
class UniqueID;
class WorkerID;

using ObjectIDIndexType = uint32_t;

/// The worker that is the driver of a job.
WorkerID ComputeDriverIdFromJob(const JobID &job_id);

inline uint64_t MurmurHash64A(const void *key, int len, unsigned int seed) {
  return plasma_rs::ids::MurmurHash64A(
      static_cast<const uint8_t *>(key), static_cast<size_t>(len), seed);
}

#pragma pack(push, 1)

/// 28 bytes without further structure.
class UniqueID : public BaseID<UniqueID> {
 public:
  UniqueID() { std::memset(id_, 0xff, sizeof(id_)); }

  static constexpr size_t Size() { return kUniqueIDSize; }

  PLASMA_RS_MSGPACK_ID()

 protected:
  friend class BaseID<UniqueID>;
  uint8_t id_[kUniqueIDSize];
};

/// Names a job: one driver program and all that it starts.
class JobID : public BaseID<JobID> {
 public:
  static constexpr int64_t kLength = 4;

  JobID() { std::memset(id_, 0xff, sizeof(id_)); }

  static constexpr size_t Size() { return kLength; }

  static JobID FromInt(uint32_t value) {
    JobID id;
    std::memcpy(id.id_, &value, sizeof(value));
    return id;
  }
  uint32_t ToInt() const { return plasma_rs::ids::HalfWord(id_); }

  static JobID FromRandom() = delete;

  PLASMA_RS_MSGPACK_ID()

 private:
  friend class BaseID<JobID>;
  uint8_t id_[kLength];
};

/// Names an actor, and its job.
class ActorID : public BaseID<ActorID> {
  static constexpr size_t kUniqueBytesLength = 12;

 public:
  static constexpr size_t kLength = kUniqueBytesLength + JobID::kLength;

  ActorID() { std::memset(id_, 0xff, sizeof(id_)); }

  static constexpr size_t Size() { return kLength; }

  /// A new actor's id: no two calls give the same, whatever the arguments.
  ///
  /// \param job_id The job of the actor.
  /// \param parent_task_id The task that makes the actor.
  /// \param parent_task_counter How many tasks and actors that task has made before.
  static ActorID Of(const JobID &job_id,
                    const TaskID &parent_task_id,
                    size_t parent_task_counter);

  /// Nil but for the job: what stands in the id of a task that has no actor.
  static ActorID NilFromJob(const JobID &job_id);

  static ActorID FromRandom() = delete;

  /// Ends the process when the id is nil.
  JobID JobId() const;

  PLASMA_RS_MSGPACK_ID()

 private:
  friend class BaseID<ActorID>;
  uint8_t id_[kLength];
};

/// Names a task, with the actor that runs it if one does, and the job.
class TaskID : public BaseID<TaskID> {
  static constexpr size_t kUniqueBytesLength = 8;

 public:
  static constexpr size_t kLength = kUniqueBytesLength + ActorID::kLength;

  TaskID() { std::memset(id_, 0xff, sizeof(id_)); }

  static constexpr size_t Size() { return kLength; }

  /// The task that this worker is as a driver: the front of its id.
  static TaskID ComputeDriverTaskId(const WorkerID &driver_id);

  /// The task that the driver of a job is.
  static TaskID ForDriverTask(const JobID &job_id);

  static TaskID FromRandom() = delete;

  /// Random but for the job.
  static TaskID FromRandom(const JobID &job_id);

  /// The task that makes an actor.
  static TaskID ForActorCreationTask(const ActorID &actor_id);

  /// A task of an actor.
  ///
  /// \param job_id The job of the task.
  /// \param parent_task_id The task that submits it.
  /// \param parent_task_counter How many tasks that one has submitted before.
  /// \param actor_id The actor that runs it.
  static TaskID ForActorTask(const JobID &job_id,
                             const TaskID &parent_task_id,
                             size_t parent_task_counter,
                             const ActorID &actor_id);

  /// A task of no actor. For the parameters see ForActorTask.
  static TaskID ForNormalTask(const JobID &job_id,
                              const TaskID &parent_task_id,
                              size_t parent_task_counter);

  /// The id of the how many-eth execution of a task, 0 for the first. What an execution makes is named after it.
  static TaskID ForExecutionAttempt(const TaskID &task_id, uint64_t attempt_number);

  /// The actor of the task; nil but for the job when there is none.
  ActorID ActorId() const {
    return plasma_rs::ids::FromBytes<ActorID>(id_ + kUniqueBytesLength);
  }

  /// Whether this task makes an actor, or is a driver.
  bool IsForActorCreationTask() const {
    return plasma_rs::ids::IsNil<kUniqueBytesLength>(id_) && !ActorId().IsNil();
  }

  /// Ends the process when the actor of the task is nil.
  JobID JobId() const { return ActorId().JobId(); }

  PLASMA_RS_MSGPACK_ID()

 private:
  friend class BaseID<TaskID>;
  uint8_t id_[kLength];
};

/// Names one object in the cluster: the task that makes it, and its index among that task's objects.
class ObjectID : public BaseID<ObjectID> {
  static constexpr size_t kIndexBytesLength = sizeof(ObjectIDIndexType);

 public:
  /// The largest index of an object.
  static constexpr int64_t kMaxObjectIndex = (int64_t{1} << kObjectIdIndexSize) - 1;

  static constexpr size_t kLength = kIndexBytesLength + TaskID::kLength;

  ObjectID() { std::memset(id_, 0xff, sizeof(id_)); }

  static constexpr size_t Size() { return kLength; }

  static uint64_t MaxObjectIndex() { return kMaxObjectIndex; }

  /// The index among the objects of the task.
  ObjectIDIndexType ObjectIndex() const {
    return plasma_rs::ids::HalfWord(id_ + TaskID::kLength);
  }

  /// The task that makes the object.
  TaskID TaskId() const { return plasma_rs::ids::FromBytes<TaskID>(id_); }

  /// The object that a task puts or returns as its how many-eth, counted from 1. Ends the process when the index is 0.
  static ObjectID FromIndex(const TaskID &task_id, ObjectIDIndexType index) {
    RAY_CHECK(index >= 1) << "index=" << index;
    ObjectID id;
    std::memcpy(id.id_, task_id.Data(), TaskID::kLength);
    std::memcpy(id.id_ + TaskID::kLength, &index, sizeof(index));
    return id;
  }

  /// An object of a random task, with index 0, which no task gives.
  static ObjectID FromRandom();

  /// The object that stands for an actor, to count who refers to it. It has no value.
  static ObjectID ForActorHandle(const ActorID &actor_id);

  /// Whether an object stands for an actor.
  static bool IsActorID(const ObjectID &object_id) {
    return plasma_rs::ids::IsNil<TaskID::kLength - ActorID::kLength>(object_id.id_);
  }

  /// The actor that makes an object.
  static ActorID ToActorID(const ObjectID &object_id) { return object_id.TaskId().ActorId(); }

  PLASMA_RS_MSGPACK_ID()

 private:
  friend class BaseID<ObjectID>;
  uint8_t id_[kLength];
};

/// Names resources that were reserved together, and the job that did it.
class PlacementGroupID : public BaseID<PlacementGroupID> {
  static constexpr size_t kUniqueBytesLength = 14;

 public:
  static constexpr size_t kLength = kUniqueBytesLength + JobID::kLength;

  PlacementGroupID() { std::memset(id_, 0xff, sizeof(id_)); }

  static constexpr size_t Size() { return kLength; }

  /// Random but for the job.
  static PlacementGroupID Of(const JobID &job_id);

  static PlacementGroupID FromRandom() = delete;

  /// Ends the process when the id is nil.
  JobID JobId() const;

  PLASMA_RS_MSGPACK_ID()

 private:
  friend class BaseID<PlacementGroupID>;
  uint8_t id_[kLength];
};

using BundleID = std::pair<PlacementGroupID, int64_t>;

/// Names a lease of a worker: who asked for it, and how many it had asked for.
class LeaseID : public BaseID<LeaseID> {
  static constexpr size_t kUniqueBytesLength = 4;

 public:
  static constexpr size_t kLength = kUniqueBytesLength + kUniqueIDSize;

  LeaseID() { std::memset(id_, 0xff, sizeof(id_)); }

  static constexpr size_t Size() { return kLength; }

  /// The lease that a worker asks for as its how many-eth, counted from 1.
  static LeaseID FromWorker(const WorkerID &worker_id, uint32_t counter);

  /// The worker that asked for it.
  WorkerID WorkerId() const;

  PLASMA_RS_MSGPACK_ID()

 private:
  friend class BaseID<LeaseID>;
  uint8_t id_[kLength];
};

#define DEFINE_UNIQUE_ID(type)                                                           \
  class RAY_EXPORT type : public UniqueID {                                              \
   public:                                                                               \
    type() = default;                                                                    \
    explicit type(const UniqueID &from) { std::memcpy(id_, from.Data(), sizeof(id_)); }  \
    static type FromRandom() { return type(UniqueID::FromRandom()); }                    \
    static type FromBinary(const std::string &binary) {                                  \
      type id;                                                                           \
      id.Assign(binary);                                                                 \
      return id;                                                                         \
    }                                                                                    \
    static type FromHex(const std::string &hex) { return type(UniqueID::FromHex(hex)); } \
    static type Nil() { return type(); }                                                 \
    static constexpr size_t Size() { return kUniqueIDSize; }                             \
  };

#include "ray/common/id_def.h"

#undef DEFINE_UNIQUE_ID
#undef PLASMA_RS_MSGPACK_ID

#pragma pack(pop)

/// The node that the control service counts as: every byte is 0.
extern const NodeID kGCSNodeID;

inline JobID ActorID::JobId() const {
  RAY_CHECK(!IsNil());
  return plasma_rs::ids::FromBytes<JobID>(id_ + kUniqueBytesLength);
}

inline JobID PlacementGroupID::JobId() const {
  RAY_CHECK(!IsNil());
  return plasma_rs::ids::FromBytes<JobID>(id_ + kUniqueBytesLength);
}

inline WorkerID LeaseID::WorkerId() const {
  return plasma_rs::ids::FromBytes<WorkerID>(id_ + kUniqueBytesLength);
}

// Ray's code has these sizes inlined, and Rust reads them.
template <typename Id>
inline constexpr bool kHasRaysLayout =
    sizeof(Id) == sizeof(size_t) + Id::Size() && alignof(Id) == 1 &&
    std::is_trivially_copyable_v<Id>;
static_assert(kHasRaysLayout<UniqueID> && kHasRaysLayout<NodeID>);
static_assert(kHasRaysLayout<JobID> && JobID::Size() == 4);
static_assert(kHasRaysLayout<ActorID> && ActorID::Size() == 16);
static_assert(kHasRaysLayout<TaskID> && TaskID::Size() == 24);
static_assert(kHasRaysLayout<ObjectID> && ObjectID::Size() == 28);
static_assert(kHasRaysLayout<PlacementGroupID> && PlacementGroupID::Size() == 18);
static_assert(kHasRaysLayout<LeaseID> && LeaseID::Size() == 32);

// Under which key an id is a field of a log line.
#define PLASMA_RS_LOG_KEY(type)                                \
  template <>                                                  \
  struct DefaultLogKey<type> {                                 \
    static constexpr std::string_view key = kLogKey##type;     \
  };

PLASMA_RS_LOG_KEY(ClusterID)
PLASMA_RS_LOG_KEY(JobID)
PLASMA_RS_LOG_KEY(WorkerID)
PLASMA_RS_LOG_KEY(NodeID)
PLASMA_RS_LOG_KEY(ActorID)
PLASMA_RS_LOG_KEY(TaskID)
PLASMA_RS_LOG_KEY(ObjectID)
PLASMA_RS_LOG_KEY(PlacementGroupID)
PLASMA_RS_LOG_KEY(LeaseID)

#undef PLASMA_RS_LOG_KEY

/// The object that a reference in a message names. Ends the process when it names none.
inline ObjectID ObjectRefToId(const rpc::ObjectReference &object_ref) {
  return ObjectID::FromBinary(object_ref.object_id());
}

inline std::vector<ObjectID> ObjectRefsToIds(
    const std::vector<rpc::ObjectReference> &object_refs) {
  std::vector<ObjectID> ids;
  ids.reserve(object_refs.size());
  for (const auto &object_ref : object_refs) {
    ids.push_back(ObjectRefToId(object_ref));
  }
  return ids;
}

}  // namespace ray

namespace std {

#define DEFINE_UNIQUE_ID(type)                                                    \
  template <>                                                                     \
  struct hash<::ray::type> {                                                      \
    size_t operator()(const ::ray::type &id) const noexcept { return id.Hash(); } \
  };

DEFINE_UNIQUE_ID(UniqueID)
DEFINE_UNIQUE_ID(JobID)
DEFINE_UNIQUE_ID(ActorID)
DEFINE_UNIQUE_ID(TaskID)
DEFINE_UNIQUE_ID(ObjectID)
DEFINE_UNIQUE_ID(PlacementGroupID)
DEFINE_UNIQUE_ID(LeaseID)
#include "ray/common/id_def.h"

#undef DEFINE_UNIQUE_ID

}  // namespace std
