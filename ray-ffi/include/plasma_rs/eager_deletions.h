// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// The set of objects that are deleted as soon as nobody uses them, seen through the manager that keeps it.

#pragma once

#include <cstddef>
#include <vector>

#include "plasma_rs/handle.h"
#include "plasma_rs/snapshot.h"
#include "ray/common/id.h"

namespace plasma_rs {

/// A view with the names of a hash set.
class EagerDeletions {
 public:
  using value_type = ray::ObjectID;
  using const_iterator = SnapshotIterator<ray::ObjectID>;
  using iterator = const_iterator;

  explicit EagerDeletions(const LifecycleHandle *manager) : manager_(manager) {}

  std::size_t size() const;
  bool empty() const { return size() == 0; }
  std::size_t count(const ray::ObjectID &id) const;
  bool contains(const ray::ObjectID &id) const { return count(id) != 0; }
  /// \return Whether the id was not there before.
  bool emplace(const ray::ObjectID &id);
  bool insert(const ray::ObjectID &id) { return emplace(id); }
  /// \return How many ids were taken out: 0 or 1.
  std::size_t erase(const ray::ObjectID &id);
  void clear();
  const_iterator begin() const { return const_iterator(All()); }
  const_iterator end() const { return const_iterator(); }

  /// Equal to any set of the same ids.
  template <typename Set>
  friend bool operator==(const Set &ids, const EagerDeletions &view) {
    if (ids.size() != view.size()) {
      return false;
    }
    for (const auto &id : ids) {
      if (!view.contains(id)) {
        return false;
      }
    }
    return true;
  }

 private:
  std::vector<ray::ObjectID> All() const;

  const LifecycleHandle *manager_;
};

}  // namespace plasma_rs
