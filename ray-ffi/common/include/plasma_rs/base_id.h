// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// What all ids have in common. Part of ray/common/id.h.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ostream>
#include <string>

#include "plasma_rs/id_bytes.h"
#include "ray/util/logging.h"

namespace ray {

#pragma pack(push, 1)

/// What all ids have in common. `T` has its bytes in `id_`, right behind this, and says in Size() how many.
///
/// Const functions can be called from several threads at once, except Hash() for the first time on the same object.
template <typename T>
class BaseID {
 public:
  /// Fresh random bytes from the operating system, also in a process that was forked.
  static T FromRandom() {
    T id;
    plasma_rs::ids::Randomize(id.MutableData(), T::Size());
    return id;
  }

  /// An id from its bytes; nil from an empty string. Ends the process when the length is any other; for what somebody
  /// sent there is plasma_rs/parse_id.h.
  static T FromBinary(const std::string &binary) {
    T id;
    id.Assign(binary);
    return id;
  }

  /// An id from hexadecimal digits. What is no id's text is logged, and is nil.
  static T FromHex(const std::string &hex) {
    T id;
    const std::string fault = plasma_rs::ids::ReadHex(hex, id.MutableData(), T::Size());
    if (!fault.empty()) {
      plasma_rs::ids::LogBadHex(fault, hex);
      return T();
    }
    return id;
  }

  static const T &Nil() {
    static const T nil;
    return nil;
  }

  static constexpr size_t Size() { return T::Size(); }

  /// The same in every process. It is computed once and kept; 0 stands for "not yet".
  size_t Hash() const {
    if (hash_ == 0) {
      hash_ = plasma_rs::ids::MurmurHash64A(Data(), T::Size(), 0);
    }
    return hash_;
  }

  /// Whether all bytes are 0xff.
  bool IsNil() const { return plasma_rs::ids::IsNil<T::Size()>(Data()); }

  bool operator==(const BaseID &rhs) const {
    return std::memcmp(Data(), rhs.Data(), T::Size()) == 0;
  }
  bool operator!=(const BaseID &rhs) const { return !(*this == rhs); }

  const uint8_t *Data() const { return static_cast<const T *>(this)->id_; }

  std::string Binary() const {
    return std::string(reinterpret_cast<const char *>(Data()), T::Size());
  }

  /// Lower-case hexadecimal digits, also of nil.
  std::string Hex() const {
    std::string text(2 * T::Size(), '\0');
    plasma_rs::ids::WriteHex(Data(), T::Size(), text.data());
    return text;
  }

  friend std::ostream &operator<<(std::ostream &out, const BaseID &id) {
    return id.IsNil() ? out << "NIL_ID" : out << id.Hex();
  }

 protected:
  BaseID() = default;

  /// Only while the id is made: a hash that was computed would stay.
  uint8_t *MutableData() { return static_cast<T *>(this)->id_; }

  void Assign(const std::string &binary) {
    if (!binary.empty()) {
      RAY_CHECK(binary.size() == T::Size())
          << plasma_rs::ids::WrongLength(T::Size(), binary.size());
      std::memcpy(MutableData(), binary.data(), T::Size());
    }
  }

  mutable size_t hash_ = 0;
};

#pragma pack(pop)

}  // namespace ray
