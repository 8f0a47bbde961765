// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Stand-in for Ray's header of this name, with as much as the drop-in headers need. Inside a Ray build Ray's serves.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <ostream>
#include <string>

#include "ray/util/logging.h"

namespace ray {

constexpr size_t kUniqueIDSize = 28;

namespace internal {
/// Fresh random bytes from the operating system.
std::string RandomBytes(size_t size);
std::string ToHex(const uint8_t *bytes, size_t size);
/// \return The bytes; empty when the text has another length than 2 * size or is not hexadecimal.
std::string FromHex(const std::string &hex, size_t size);
size_t HashBytes(const uint8_t *bytes, size_t size);
}  // namespace internal

#pragma pack(push, 1)

/// An id: a hash that is computed on demand, and the bytes. Nil has every byte 0xff.
template <typename T>
class BaseID {
 public:
  static T FromRandom() { return FromBinary(internal::RandomBytes(T::Size())); }

  /// Aborts unless the length is that of the id, or 0 for nil.
  static T FromBinary(const std::string &binary) {
    T id;
    if (!binary.empty()) {
      RAY_CHECK(binary.size() == T::Size()) << "expected size is " << T::Size()
                                            << ", but got data size is " << binary.size();
      std::memcpy(id.id_, binary.data(), T::Size());
    }
    return id;
  }

  /// Nil when the text is not that of an id.
  static T FromHex(const std::string &hex) {
    return FromBinary(internal::FromHex(hex, T::Size()));
  }

  static const T &Nil() {
    static const T nil;
    return nil;
  }

  size_t Hash() const {
    if (hash_ == 0) {
      hash_ = internal::HashBytes(Data(), T::Size());
    }
    return hash_;
  }

  bool IsNil() const { return *this == Nil(); }
  bool operator==(const BaseID &other) const {
    return std::memcmp(Data(), other.Data(), T::Size()) == 0;
  }
  bool operator!=(const BaseID &other) const { return !(*this == other); }
  const uint8_t *Data() const { return static_cast<const T *>(this)->id_; }
  std::string Binary() const {
    return std::string(reinterpret_cast<const char *>(Data()), T::Size());
  }
  std::string Hex() const { return internal::ToHex(Data(), T::Size()); }

  friend std::ostream &operator<<(std::ostream &out, const BaseID &id) {
    return id.IsNil() ? out << "NIL_ID" : out << id.Hex();
  }

 protected:
  mutable size_t hash_ = 0;
};

#define PLASMA_RS_DEFINE_ID(Name)                                \
  class Name : public BaseID<Name> {                             \
   public:                                                       \
    Name() { std::memset(id_, 0xff, sizeof(id_)); }              \
    static constexpr size_t Size() { return kUniqueIDSize; }     \
                                                                 \
   private:                                                      \
    friend class BaseID<Name>;                                   \
    uint8_t id_[kUniqueIDSize];                                  \
  }

PLASMA_RS_DEFINE_ID(UniqueID);
PLASMA_RS_DEFINE_ID(ObjectID);
PLASMA_RS_DEFINE_ID(NodeID);
PLASMA_RS_DEFINE_ID(WorkerID);

#undef PLASMA_RS_DEFINE_ID
#pragma pack(pop)

static_assert(sizeof(ObjectID) == sizeof(size_t) + kUniqueIDSize, "layout of Ray's ids");

}  // namespace ray

namespace std {

template <>
struct hash<ray::UniqueID> {
  size_t operator()(const ray::UniqueID &id) const { return id.Hash(); }
};
template <>
struct hash<ray::ObjectID> {
  size_t operator()(const ray::ObjectID &id) const { return id.Hash(); }
};
template <>
struct hash<ray::NodeID> {
  size_t operator()(const ray::NodeID &id) const { return id.Hash(); }
};
template <>
struct hash<ray::WorkerID> {
  size_t operator()(const ray::WorkerID &id) const { return id.Hash(); }
};

}  // namespace std
