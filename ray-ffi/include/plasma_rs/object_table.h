// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// The objects of a store, seen through the store.

#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "plasma_rs/handle.h"
#include "plasma_rs/snapshot.h"
#include "ray/object_manager/plasma/common.h"

namespace plasma_rs {

/// A view with the names of a hash map from ids to objects.
class ObjectTable {
 public:
  using value_type = std::pair<ray::ObjectID, const plasma::LocalObject *>;
  using const_iterator = SnapshotIterator<value_type>;
  using iterator = const_iterator;

  explicit ObjectTable(const StoreHandle *store) : store_(store) {}

  std::size_t size() const;
  bool empty() const { return size() == 0; }
  std::size_t count(const ray::ObjectID &id) const;
  bool contains(const ray::ObjectID &id) const { return count(id) != 0; }
  const_iterator begin() const { return const_iterator(All()); }
  const_iterator end() const { return const_iterator(); }

 private:
  std::vector<value_type> All() const;

  const StoreHandle *store_;
};

}  // namespace plasma_rs
