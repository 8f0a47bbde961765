// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// What it costs to copy, compare, hash and make ids and statuses: the same source compiles against our drop-in headers and
// against Ray's own. `tools/bench.sh ids` runs it; docs/ids-and-status.md has figures. For its arguments see measure.h.

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "measure.h"
#include "ray/common/id.h"
#include "ray/common/status.h"

namespace {

using bench::Cost;
using bench::Measure;
using bench::Use;
using ray::ActorID;
using ray::JobID;
using ray::ObjectID;
using ray::Status;
using ray::TaskID;

constexpr int kIds = 1024;  // 36 KB: near the processor, so that what is measured is the work

/// Measures work on an id, given its index.
template <typename Work>
Cost OfEach(Work work) {
  return Measure([&work] {
           for (int i = 0; i < kIds; i++) {
             work(i);
           }
         }) /
         kIds;
}

template <typename Id>
std::vector<Id> Various() {
  std::vector<Id> ids;
  uint64_t state = 7;
  for (int i = 0; i < kIds; i++) {
    std::string bytes(Id::Size(), '\0');
    for (char &byte : bytes) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      byte = static_cast<char>(state >> 56);
    }
    ids.push_back(Id::FromBinary(bytes));
  }
  return ids;
}

const std::vector<ObjectID> &Objects() {
  static const auto &ids = *new auto(Various<ObjectID>());
  return ids;
}

const std::vector<TaskID> &Tasks() {
  static const auto &ids = *new auto(Various<TaskID>());
  return ids;
}

/// The same ids, each with its hash remembered.
std::vector<ObjectID> Hashed() {
  auto ids = Objects();
  for (const ObjectID &id : ids) {
    id.Hash();
  }
  return ids;
}

Cost Copy() {
  const auto &ids = Objects();
  auto copies = ids;
  return OfEach([&](int i) {
    copies[i] = ids[i];
    Use(copies[0]);
  });
}

template <typename Id>
Cost CompareEqual() {
  const auto ids = Various<Id>(), same = ids;
  return OfEach([&](int i) { Use(ids[i] == same[i]); });
}

template <typename Id>
Cost CompareDifferent() {
  const auto ids = Various<Id>(), same = ids;
  return OfEach([&](int i) { Use(ids[i] == same[kIds - 1 - i]); });
}

Cost IsNil() {
  const auto &ids = Objects();
  return OfEach([&](int i) { Use(ids[i].IsNil()); });
}

// A copy of an id without a remembered hash has none either.
Cost CopyAndHash() {
  const auto &ids = Objects();
  auto copies = ids;
  return OfEach([&](int i) {
    copies[i] = ids[i];
    Use(copies[i].Hash());
  });
}

Cost HashAgain() {
  const auto ids = Hashed();
  return OfEach([&](int i) { Use(ids[i].Hash()); });
}

Cost LookUp() {
  const auto ids = Hashed();
  const std::unordered_set<ObjectID> table(ids.begin(), ids.end());
  return OfEach([&](int i) { Use(table.count(ids[i])); });
}

Cost Nil() {
  return OfEach([](int) { Use(ObjectID()); });
}

Cost TaskOfObject() {
  const auto &ids = Objects();
  return OfEach([&](int i) { Use(ids[i].TaskId()); });
}

Cost JobOfObject() {
  const auto &ids = Objects();
  return OfEach([&](int i) { Use(ids[i].TaskId().JobId()); });
}

Cost ObjectOfIndex() {
  const auto &tasks = Tasks();
  return OfEach([&](int i) { Use(ObjectID::FromIndex(tasks[i], 1)); });
}

Cost Hex() {
  const auto &ids = Objects();
  return OfEach([&](int i) { Use(ids[i].Hex()); });
}

Cost FromHex() {
  const std::string hex = Objects()[0].Hex();
  return OfEach([&](int) { Use(ObjectID::FromHex(hex)); });
}

Cost FromBinary() {
  const std::string binary = Objects()[0].Binary();
  return OfEach([&](int) { Use(ObjectID::FromBinary(binary)); });
}

Cost TaskOfParent() {
  const JobID job = JobID::FromInt(1);
  const TaskID parent = Tasks()[0];
  return OfEach([&](int i) { Use(TaskID::ForNormalTask(job, parent, i)); });
}

Cost RandomObject() {
  return OfEach([](int) { Use(ObjectID::FromRandom()); });
}

Cost RandomUnique() {
  return OfEach([](int) { Use(ray::UniqueID::FromRandom()); });
}

Cost CopyOk() {
  const Status ok;
  return OfEach([&](int) { Use(Status(ok)); });
}

Status Error() { return Status::ObjectNotFound("an object that is not there"); }

Cost CopyError() {
  const Status error = Error();
  return OfEach([&](int) { Use(Status(error)); });
}

Cost StatusText() {
  const Status error = Error();
  return OfEach([&](int) { Use(error.ToString()); });
}

Cost RpcStatusText() {
  const Status error = Status::RpcError("the other side is gone", 14);
  return OfEach([&](int) { Use(error.ToString()); });
}

const bench::Rows kRows = {
    {"copy", Copy},
    {"compare_equal", CompareEqual<ObjectID>},
    {"compare_different", CompareDifferent<ObjectID>},
    {"compare_tasks_equal", CompareEqual<TaskID>},
    {"compare_tasks_different", CompareDifferent<TaskID>},
    {"is_nil", IsNil},
    {"copy_and_hash", CopyAndHash},
    {"hash_again", HashAgain},
    {"look_up", LookUp},
    {"nil", Nil},
    {"task_of_object", TaskOfObject},
    {"job_of_object", JobOfObject},
    {"object_of_index", ObjectOfIndex},
    {"hex", Hex},
    {"from_hex", FromHex},
    {"from_binary", FromBinary},
    {"task_of_parent", TaskOfParent},
    {"random_object", RandomObject},
    {"random_unique", RandomUnique},
    {"status_copy_ok", CopyOk},
    {"status_copy_error", CopyError},
    {"status_text", StatusText},
    {"status_text_rpc", RpcStatusText},
};

}  // namespace

int main(int argc, char **argv) { return bench::Main(argc, argv, kRows); }
