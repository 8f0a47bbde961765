// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// The gets that wait, by object, seen through the queue that keeps them.

#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "plasma_rs/handle.h"
#include "plasma_rs/snapshot.h"
#include "ray/common/id.h"

namespace plasma {
struct GetRequest;
}  // namespace plasma

namespace plasma_rs {

/// A view with the names of a hash map from objects to gets.
class WaitingGets {
 public:
  using mapped_type = std::vector<std::shared_ptr<plasma::GetRequest>>;
  using value_type = std::pair<ray::ObjectID, mapped_type>;
  using const_iterator = SnapshotIterator<value_type>;
  using iterator = const_iterator;

  explicit WaitingGets(const GetQueueHandle *queue) : queue_(queue) {}

  /// How many objects somebody waits for.
  std::size_t size() const;
  bool empty() const { return size() == 0; }
  /// How many gets wait for an object.
  std::size_t NumWaitingFor(const ray::ObjectID &id) const;
  bool contains(const ray::ObjectID &id) const { return NumWaitingFor(id) != 0; }
  std::size_t count(const ray::ObjectID &id) const { return contains(id) ? 1 : 0; }
  const_iterator find(const ray::ObjectID &id) const {
    return contains(id) ? const_iterator({{id, WaitingFor(id)}}) : end();
  }
  const_iterator begin() const { return const_iterator(All()); }
  const_iterator end() const { return const_iterator(); }

 private:
  mapped_type WaitingFor(const ray::ObjectID &id) const;
  std::vector<value_type> All() const;

  const GetQueueHandle *queue_;
};

}  // namespace plasma_rs
