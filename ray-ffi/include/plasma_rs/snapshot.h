// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// How C++ walks over a table that Rust keeps.

#pragma once

#include <cstddef>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

namespace plasma_rs {

/// An input iterator over entries that were copied when the walk began. A default one is the end.
template <typename T>
class SnapshotIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = T;
  using difference_type = std::ptrdiff_t;
  using pointer = const T *;
  using reference = const T &;

  SnapshotIterator() = default;
  explicit SnapshotIterator(std::vector<T> entries)
      : entries_(std::make_shared<const std::vector<T>>(std::move(entries))) {}

  reference operator*() const { return (*entries_)[next_]; }
  pointer operator->() const { return &(*entries_)[next_]; }
  SnapshotIterator &operator++() {
    ++next_;
    return *this;
  }
  SnapshotIterator operator++(int) {
    SnapshotIterator before = *this;
    ++next_;
    return before;
  }
  bool operator==(const SnapshotIterator &other) const {
    return Remaining() == other.Remaining();
  }
  bool operator!=(const SnapshotIterator &other) const { return !(*this == other); }

 private:
  std::size_t Remaining() const { return entries_ ? entries_->size() - next_ : 0; }

  std::shared_ptr<const std::vector<T>> entries_;
  std::size_t next_ = 0;
};

}  // namespace plasma_rs
