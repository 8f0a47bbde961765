// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Resources and nodes as numbers. The names of the numbers are in Rust; a number is a value here.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <utility>

#include "plasma_rs/scheduling/containers.h"
#include "ray/common/constants.h"

#ifndef PLASMA_RS_STANDALONE
// Ray's files expect them from this header.
#include "absl/strings/match.h"
#include "absl/synchronization/mutex.h"
#endif

namespace plasma_rs {
struct NameTableHandle;
}

namespace ray {

enum PredefinedResourcesEnum { CPU, MEM, GPU, OBJECT_STORE_MEM, PredefinedResourcesEnum_MAX };

inline constexpr char kCPU_ResourceLabel[] = "CPU";
inline constexpr char kGPU_ResourceLabel[] = "GPU";
inline constexpr char kObjectStoreMemory_ResourceLabel[] = "object_store_memory";
inline constexpr char kMemory_ResourceLabel[] = "memory";
inline constexpr char kBundle_ResourceLabel[] = "bundle";

/// Numbers for names, and names for numbers. Names are any bytes and are never removed. May be used from any thread.
class StringIdMap {
 public:
  StringIdMap();
  explicit StringIdMap(plasma_rs::NameTableHandle *table) : handle_(table) {}

  /// The number of a name, or -1.
  int64_t Get(const std::string &string_id) const;

  /// The name of a number, or "-1".
  std::string Get(uint64_t id) const;

  /// The number of a name, which gets one if it has none: `std::hash` of it, or another if that is taken. With `num_ids`, for
  /// tests, one from 0 to `num_ids` - 1; it ends the process if none is left.
  int64_t Insert(const std::string &string_id, uint8_t num_ids = 0);

  /// Gives a name a number, and ends the process if one of them is there.
  StringIdMap &InsertOrDie(const std::string &string_id, int64_t id);

  /// How many names there are.
  int64_t Count();

 private:
  struct Deleter {
    void operator()(plasma_rs::NameTableHandle *handle) const;
  };
  std::unique_ptr<plasma_rs::NameTableHandle, Deleter> handle_;
};

enum class SchedulingIDTag { Node, Resource };

/// A number that stands for a name.
template <SchedulingIDTag T>
class BaseSchedulingID {
 public:
  explicit BaseSchedulingID() = default;
  explicit BaseSchedulingID(const std::string &name) : id_(GetMap().Insert(name)) {}
  explicit BaseSchedulingID(int64_t id) : id_(id) {}

  static BaseSchedulingID Nil() { return BaseSchedulingID(-1); }

  bool IsNil() const { return id_ == -1; }
  int64_t ToInt() const { return id_; }
  /// The name; "-1" if there is none.
  std::string Binary() const { return GetMap().Get(static_cast<uint64_t>(id_)); }

  bool operator==(const BaseSchedulingID &rhs) const { return id_ == rhs.id_; }
  bool operator!=(const BaseSchedulingID &rhs) const { return id_ != rhs.id_; }
  bool operator<(const BaseSchedulingID &rhs) const { return id_ < rhs.id_; }

 protected:
  /// The names in this process.
  static StringIdMap &GetMap();

  int64_t id_ = -1;
};

template <>
StringIdMap &BaseSchedulingID<SchedulingIDTag::Node>::GetMap();
template <>
StringIdMap &BaseSchedulingID<SchedulingIDTag::Resource>::GetMap();

/// A node is printed as its number, a resource as its name.
template <SchedulingIDTag T>
std::ostream &operator<<(std::ostream &os, const BaseSchedulingID<T> &id) {
  if constexpr (T == SchedulingIDTag::Resource) {
    return os << id.Binary();
  } else {
    return os << id.ToInt();
  }
}

namespace scheduling {

using NodeID = BaseSchedulingID<SchedulingIDTag::Node>;

class ResourceID;

/// The resources that come in whole things. The set is in Rust; this is a view of it.
class UnitInstances {
 public:
  bool contains(int64_t resource) const;
  void insert(int64_t resource);
  void clear();
  size_t size() const;
};

class ResourceID : public BaseSchedulingID<SchedulingIDTag::Resource> {
 public:
  explicit ResourceID(const std::string &name) : BaseSchedulingID(name) {}
  explicit ResourceID(int64_t id) : BaseSchedulingID(id) {}

  static ResourceID CPU() { return ResourceID(PredefinedResourcesEnum::CPU); }
  static ResourceID Memory() { return ResourceID(PredefinedResourcesEnum::MEM); }
  static ResourceID GPU() { return ResourceID(PredefinedResourcesEnum::GPU); }
  static ResourceID ObjectStoreMemory() {
    return ResourceID(PredefinedResourcesEnum::OBJECT_STORE_MEM);
  }

  /// Whether it comes in whole things, each an instance. Which do is read from RayConfig at the first question.
  bool IsUnitInstanceResource() const { return UnitInstanceResources().contains(id_); }

  bool IsPredefinedResource() const { return id_ >= 0 && id_ < PredefinedResourcesEnum_MAX; }

  /// Whether every node has one of it unless it says otherwise.
  bool IsImplicitResource() const { return !IsPredefinedResource() && IsNamedImplicit(); }

  /// Ray's tests change which resources come in whole things.
  friend void SetUnitInstanceResourceIds(plasma_rs::HashSet<ResourceID> ids);

 private:
  static UnitInstances &UnitInstanceResources();
  bool IsNamedImplicit() const;
};

}  // namespace scheduling
}  // namespace ray

namespace std {

template <ray::SchedulingIDTag T>
struct hash<ray::BaseSchedulingID<T>> {
  size_t operator()(const ray::BaseSchedulingID<T> &id) const {
    return hash<int64_t>()(id.ToInt());
  }
};

template <>
struct hash<ray::scheduling::ResourceID> {
  size_t operator()(const ray::scheduling::ResourceID &id) const {
    return hash<int64_t>()(id.ToInt());
  }
};

}  // namespace std
