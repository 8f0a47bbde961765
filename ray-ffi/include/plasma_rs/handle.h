// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// How a drop-in class owns its state in Rust: by a pointer to a type that this header only names.

#pragma once

#include <memory>

namespace plasma_rs {

struct AllocatorHandle;
struct ChannelManagerHandle;
struct ClientHandle;
struct CreateQueueHandle;
struct EvictionPolicyHandle;
struct GetQueueHandle;
struct IncomingHandle;
struct LifecycleHandle;
struct LruCacheHandle;
struct MappedFileHandle;
struct PlasmaStoreHandle;
struct StatsHandle;
struct StoreHandle;

/// Gives a handle back to Rust.
struct HandleDeleter {
  void operator()(AllocatorHandle *handle) const;
  void operator()(ChannelManagerHandle *handle) const;
  void operator()(ClientHandle *handle) const;
  void operator()(CreateQueueHandle *handle) const;
  void operator()(EvictionPolicyHandle *handle) const;
  void operator()(GetQueueHandle *handle) const;
  void operator()(IncomingHandle *handle) const;
  void operator()(LifecycleHandle *handle) const;
  void operator()(LruCacheHandle *handle) const;
  void operator()(MappedFileHandle *handle) const;
  void operator()(PlasmaStoreHandle *handle) const;
  void operator()(StatsHandle *handle) const;
  void operator()(StoreHandle *handle) const;
};

template <typename T>
using Handle = std::unique_ptr<T, HandleDeleter>;

/// Reads and makes what only an allocator may make.
struct AllocationAccess;
/// Reaches what a manager of channels has in Rust.
class ChannelAccess;
/// Asserts the layout of private members.
struct LayoutCheck;

}  // namespace plasma_rs
