// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// What the C++ classes make of values: for each line of standard input one of standard output. tests/answers.rs asks, and
// compares with what Rust makes of the same values.
//
// A line is the name of a question and its arguments. Bytes are hexadecimal digits behind an `x`; `-` is "none", and what begins
// with `!` is why there is nothing.

#include <cstdint>
#include <functional>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "plasma_rs/parse_id.h"
#include "ray/common/id.h"
#include "ray/common/status.h"

namespace {

using ray::ActorID;
using ray::JobID;
using ray::LeaseID;
using ray::ObjectID;
using ray::PlacementGroupID;
using ray::Status;
using ray::TaskID;
using ray::WorkerID;

using Words = std::vector<std::string>;
using Answers = std::map<std::string, std::function<std::string(const Words &)>>;

std::string BytesFrom(const std::string &word) {
  std::string bytes;
  for (size_t at = 1; at + 1 < word.size(); at += 2) {
    bytes.push_back(static_cast<char>(std::stoi(word.substr(at, 2), nullptr, 16)));
  }
  return bytes;
}

std::string WordOf(const std::string &bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string word = "x";
  for (const char byte : bytes) {
    word.push_back(kDigits[static_cast<uint8_t>(byte) >> 4]);
    word.push_back(kDigits[static_cast<uint8_t>(byte) & 15]);
  }
  return word;
}

template <typename Id>
Id From(const std::string &word) {
  return Id::FromBinary(BytesFrom(word));
}

uint64_t Number(const std::string &word) { return std::stoull(word); }

template <typename Id>
std::string Word(const Id &id) {
  return WordOf(id.Binary());
}

template <typename Id>
std::string OrWhy(const ray::StatusOr<Id> &id) {
  return id.ok() ? Word(*id) : "!" + id.message();
}

/// The job of what may have none, which ends the process.
template <typename Id>
std::string JobOf(const Id &id) {
  return id.IsNil() ? "-" : Word(id.JobId());
}

/// What all ids are asked.
template <typename Id>
void AddId(Answers &answers, const std::string &name) {
  answers[name] = [](const Words &words) {
    const Id id = From<Id>(words[1]);
    std::ostringstream out;
    out << id.Hex() << " " << id.Hash() << " " << id.IsNil();
    return out.str();
  };
  answers[name + "_same"] = [](const Words &words) {
    const Id left = From<Id>(words[1]);
    const Id right = From<Id>(words[2]);
    return std::string(left == right ? "same" : "other") + (left != right ? " other" : " same");
  };
  answers[name + "_binary"] = [](const Words &words) {
    return OrWhy(plasma_rs::IdFromBinary<Id>(BytesFrom(words[1])));
  };
  answers[name + "_text"] = [](const Words &words) {
    const auto checked = plasma_rs::IdFromHex<Id>(BytesFrom(words[1]));
    const Id id = Id::FromHex(BytesFrom(words[1]));
    return OrWhy(checked) + (id == (checked.ok() ? *checked : Id::Nil()) ? " same" : " other");
  };
}

void AddParts(Answers &answers) {
  answers["job_number"] = [](const Words &words) {
    return std::to_string(From<JobID>(words[1]).ToInt());
  };
  answers["actor_parts"] = [](const Words &words) { return JobOf(From<ActorID>(words[1])); };
  answers["group_parts"] = [](const Words &words) {
    return JobOf(From<PlacementGroupID>(words[1]));
  };
  answers["lease_parts"] = [](const Words &words) {
    return Word(From<LeaseID>(words[1]).WorkerId());
  };
  answers["task_parts"] = [](const Words &words) {
    const auto task = From<TaskID>(words[1]);
    return std::string(task.IsForActorCreationTask() ? "creates" : "uses");
  };
  answers["task_ids"] = [](const Words &words) {
    const auto task = From<TaskID>(words[1]);
    return Word(task.ActorId()) + " " + JobOf(task.ActorId());
  };
  answers["object_ids"] = [](const Words &words) {
    const auto task = From<ObjectID>(words[1]).TaskId();
    return Word(task) + " " + JobOf(task.ActorId());
  };
  answers["object_parts"] = [](const Words &words) {
    const auto object = From<ObjectID>(words[1]);
    return std::to_string(object.ObjectIndex()) + " " + Word(ObjectID::ToActorID(object)) +
           (ObjectID::IsActorID(object) ? " actor" : " value");
  };
}

void AddMakers(Answers &answers) {
  answers["driver_worker"] = [](const Words &words) {
    return Word(ray::ComputeDriverIdFromJob(From<JobID>(words[1])));
  };
  answers["nil_actor"] = [](const Words &words) {
    return Word(ActorID::NilFromJob(From<JobID>(words[1])));
  };
  answers["driver_task"] = [](const Words &words) {
    return Word(TaskID::ForDriverTask(From<JobID>(words[1])));
  };
  answers["task_of_driver"] = [](const Words &words) {
    return Word(TaskID::ComputeDriverTaskId(From<WorkerID>(words[1])));
  };
  answers["creation_task"] = [](const Words &words) {
    return Word(TaskID::ForActorCreationTask(From<ActorID>(words[1])));
  };
  answers["normal_task"] = [](const Words &words) {
    return Word(TaskID::ForNormalTask(
        From<JobID>(words[1]), From<TaskID>(words[2]), Number(words[3])));
  };
  answers["actor_task"] = [](const Words &words) {
    return Word(TaskID::ForActorTask(From<JobID>(words[1]),
                                     From<TaskID>(words[2]),
                                     Number(words[3]),
                                     From<ActorID>(words[4])));
  };
  answers["attempt"] = [](const Words &words) {
    return Word(TaskID::ForExecutionAttempt(From<TaskID>(words[1]), Number(words[2])));
  };
  answers["object_of"] = [](const Words &words) {
    return Word(ObjectID::FromIndex(From<TaskID>(words[1]),
                                    static_cast<uint32_t>(Number(words[2]))));
  };
  answers["actor_handle"] = [](const Words &words) {
    return Word(ObjectID::ForActorHandle(From<ActorID>(words[1])));
  };
  answers["lease_of"] = [](const Words &words) {
    return Word(LeaseID::FromWorker(From<WorkerID>(words[1]),
                                    static_cast<uint32_t>(Number(words[2]))));
  };
}

void AddStatus(Answers &answers) {
  answers["status"] = [](const Words &words) {
    const std::string file = BytesFrom(words[4]);
    const Status status(static_cast<ray::StatusCode>(std::stoi(words[1])),
                        BytesFrom(words[2]),
                        ray::SourceLocation(file, std::stoi(words[5])),
                        std::stoi(words[3]));
    return WordOf(status.ToString()) + " " + WordOf(status.CodeAsString());
  };
  answers["code"] = [](const Words &words) {
    return std::to_string(static_cast<int>(Status::StringToCode(BytesFrom(words[1]))));
  };
}

}  // namespace

int main() {
  Answers answers;
  AddId<ray::UniqueID>(answers, "unique");
  AddId<JobID>(answers, "job");
  AddId<ActorID>(answers, "actor");
  AddId<TaskID>(answers, "task");
  AddId<ObjectID>(answers, "object");
  AddId<PlacementGroupID>(answers, "group");
  AddId<LeaseID>(answers, "lease");
  AddId<ray::NodeID>(answers, "node");
  AddParts(answers);
  AddMakers(answers);
  AddStatus(answers);
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream in(line);
    Words words;
    for (std::string word; in >> word;) {
      words.push_back(word);
    }
    std::cout << answers.at(words.at(0))(words) << std::endl;
  }
}
