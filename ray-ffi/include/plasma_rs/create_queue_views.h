// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// The two tables of a queue of creations, seen through the queue that keeps them.

#pragma once

#include <cstddef>
#include <cstdint>

#include "plasma_rs/handle.h"

namespace plasma_rs {

/// The requests that wait.
class WaitingCreations {
 public:
  explicit WaitingCreations(const CreateQueueHandle *queue) : queue_(queue) {}

  std::size_t size() const;
  bool empty() const { return size() == 0; }

 private:
  const CreateQueueHandle *queue_;
};

/// The requests that wait or whose result nobody has taken, by number.
class UntakenCreations {
 public:
  explicit UntakenCreations(const CreateQueueHandle *queue) : queue_(queue) {}

  std::size_t size() const;
  bool empty() const { return size() == 0; }
  std::size_t count(std::uint64_t request_id) const;
  bool contains(std::uint64_t request_id) const { return count(request_id) != 0; }

 private:
  const CreateQueueHandle *queue_;
};

}  // namespace plasma_rs
