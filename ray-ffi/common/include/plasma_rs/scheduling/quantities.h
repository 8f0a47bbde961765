// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// A set of resources as C++ keeps it and Rust works on it: amounts ordered by resource, one behind the other.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <type_traits>

#include "plasma_rs/scheduling/containers.h"
#include "ray/common/scheduling/fixed_point.h"
#include "ray/common/scheduling/scheduling_ids.h"

namespace plasma_rs {

/// An amount of a resource. The names are those of an entry of a table.
struct Quantity {
  ray::scheduling::ResourceID first;
  FixedPoint second;
};

static_assert(sizeof(Quantity) == 16 && offsetof(Quantity, second) == 8,
              "ray_common::scheduling::quantities::Quantity");
static_assert(std::is_trivially_copyable<Quantity>::value, "Rust moves them");

/// Amounts ordered by resource, each resource once. Most requests name four at most, which need no allocation.
class Quantities {
 public:
  using const_iterator = const Quantity *;

  const_iterator begin() const { return entries_.data(); }
  const_iterator end() const { return entries_.data() + entries_.size(); }
  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  void clear() { entries_.clear(); }

  const_iterator find(ray::scheduling::ResourceID resource) const {
    const_iterator entry = begin();
    const const_iterator behind = entry + size();
    while (entry != behind && entry->first != resource) {
      ++entry;
    }
    return entry;
  }
  bool contains(ray::scheduling::ResourceID resource) const { return find(resource) != end(); }

  void Set(ray::scheduling::ResourceID resource, FixedPoint amount) {
    const auto found = entries_.begin() + (Place(resource) - begin());
    if (found != entries_.end() && found->first == resource) {
      found->second = amount;
    } else {
      entries_.insert(found, Quantity{resource, amount});
    }
  }
  void Remove(ray::scheduling::ResourceID resource) {
    const const_iterator found = find(resource);
    if (found != end()) {
      entries_.erase(entries_.begin() + (found - begin()));
    }
  }

  /// Adds another set to this one, or takes it away. What is not in a set is nothing, or, `on_node`, one for implicit resources.
  void Add(const Quantities &other, bool on_node) { Combine(other, false, on_node); }
  void Subtract(const Quantities &other, bool on_node) { Combine(other, true, on_node); }
  /// Whether no amount is larger than that of another set.
  bool IsAtMost(const Quantities &other) const;
  /// Whether a node that has this set without `used` has all that is wanted.
  bool Covers(const Quantities &used, const Quantities &wanted) const {
    if (!used.empty()) {
      return CoversWithout(used, wanted);
    }
    // A scheduler asks this of every node. As long as it is only looking up, it is inline.
    const_iterator entry = begin();
    const const_iterator behind = end();
    for (const Quantity &quantity : wanted) {
      while (entry != behind && entry->first < quantity.first) {
        ++entry;
      }
      if (entry == behind || entry->first != quantity.first) {
        return CoversWithout(used, wanted);
      }
      if (entry->second < quantity.second) {
        return false;
      }
    }
    return true;
  }
  void RemoveNegative();

  bool operator==(const Quantities &other) const {
    // There is no padding, and equal amounts have equal bytes.
    return size() == other.size() &&
           (empty() || std::memcmp(begin(), other.begin(), size() * sizeof(Quantity)) == 0);
  }

 private:
  const_iterator Place(ray::scheduling::ResourceID resource) const {
    // Sets are short: a walk beats halving.
    const_iterator place = begin();
    const const_iterator behind = place + size();
    while (place != behind && place->first < resource) {
      ++place;
    }
    return place;
  }
  void Combine(const Quantities &other, bool subtract, bool on_node);
  bool CoversWithout(const Quantities &used, const Quantities &wanted) const;
  void CombineWithItself(bool subtract, bool on_node);
  void Settle(uint64_t rest, const Quantities &other, bool subtract, bool on_node);
  void Resize(size_t size) {
    entries_.resize(size, Quantity{ray::scheduling::ResourceID(-1), FixedPoint()});
  }

  SmallVector<Quantity, 4> entries_;
};

/// The resources of a table or of a set, for a loop over them.
template <typename Iterator>
class ResourceIdRange {
 public:
  class iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = ray::scheduling::ResourceID;
    using difference_type = std::ptrdiff_t;
    using pointer = const value_type *;
    using reference = const value_type &;

    iterator() = default;
    explicit iterator(Iterator entry) : entry_(entry) {}
    reference operator*() const { return entry_->first; }
    pointer operator->() const { return &entry_->first; }
    iterator &operator++() {
      ++entry_;
      return *this;
    }
    iterator operator++(int) {
      iterator before = *this;
      ++entry_;
      return before;
    }
    bool operator==(const iterator &other) const { return entry_ == other.entry_; }
    bool operator!=(const iterator &other) const { return entry_ != other.entry_; }

   private:
    Iterator entry_{};
  };
  using const_iterator = iterator;
  using value_type = ray::scheduling::ResourceID;

  ResourceIdRange(Iterator begin, Iterator end) : begin_(begin), end_(end) {}
  iterator begin() const { return iterator(begin_); }
  iterator end() const { return iterator(end_); }
  bool empty() const { return begin_ == end_; }
  size_t size() const { return static_cast<size_t>(std::distance(begin_, end_)); }

 private:
  Iterator begin_;
  Iterator end_;
};

}  // namespace plasma_rs
