// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// What the suites of the two queues share: a client that is nobody.

#pragma once

#include <optional>
#include <unordered_set>

#include "ray/object_manager/plasma/connection.h"

namespace plasma_tests {

class NobodyClient : public plasma::ClientInterface {
 public:
  ray::Status SendFd(MEMFD_TYPE) override { return ray::Status::OK(); }
  const std::unordered_set<ray::ObjectID> &GetObjectIDs() override { return ids_; }
  void MarkObjectAsUsed(const ray::ObjectID &id, std::optional<MEMFD_TYPE>) override {
    ids_.insert(id);
  }
  bool MarkObjectAsUnused(const ray::ObjectID &id) override { return ids_.erase(id) != 0; }

 private:
  std::unordered_set<ray::ObjectID> ids_;
};

}  // namespace plasma_tests
