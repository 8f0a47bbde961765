// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// What ids do with their bytes. What is done often is inline, with the number of bytes known to the compiler; the rest
// is in Rust.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace plasma_rs {
namespace ids {

/// Fresh random bytes from the operating system.
void Randomize(uint8_t *bytes, size_t size);

/// Writes lower-case hexadecimal digits, two a byte.
void WriteHex(const uint8_t *bytes, size_t size, char *text);

/// Reads bytes from hexadecimal digits of either case. Takes any text.
///
/// \return What is wrong with the text; empty when nothing is.
std::string ReadHex(std::string_view text, uint8_t *bytes, size_t size);

/// Says that `actual` bytes are not an id of `expected`.
std::string WrongLength(size_t expected, size_t actual);

/// Logs a text that is no id's, and why.
void LogBadHex(const std::string &fault, std::string_view text);

/// An id from as many bytes as it has. It is new, so its hash is not computed yet, and its bytes may be set.
template <typename Id>
inline Id FromBytes(const uint8_t *bytes) {
  Id id;
  std::memcpy(const_cast<uint8_t *>(id.Data()), bytes, Id::Size());
  return id;
}

inline uint64_t Word(const uint8_t *bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

inline uint32_t HalfWord(const uint8_t *bytes) {
  uint32_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

/// Whether all bytes are 0xff.
template <size_t kSize>
inline bool IsNil(const uint8_t *bytes) {
  if constexpr (kSize == 4) {
    return HalfWord(bytes) == UINT32_MAX;
  } else {
    uint64_t common = Word(bytes + kSize - 8);
    for (size_t at = 0; at + 8 < kSize; at += 8) {
      common &= Word(bytes + at);
    }
    return common == UINT64_MAX;
  }
}

/// Austin Appleby's MurmurHash64A, which is in the public domain. `ray_common::id::murmur_hash_64a` is the same.
inline uint64_t MurmurHash64A(const uint8_t *key, size_t size, uint32_t seed) {
  constexpr uint64_t kMultiplier = 0xc6a4a7935bd1e995;
  constexpr int kShift = 47;
  const auto mixed = [](uint64_t value) { return value ^ (value >> kShift); };
  uint64_t hash = seed ^ (size * kMultiplier);
  const uint8_t *const rest = key + size / 8 * 8;
  for (; key != rest; key += 8) {
    hash = (hash ^ mixed(Word(key) * kMultiplier) * kMultiplier) * kMultiplier;
  }
  if (size % 8 != 0) {
    uint64_t last = 0;
    std::memcpy(&last, rest, size % 8);
    hash = (hash ^ last) * kMultiplier;
  }
  return mixed(mixed(hash) * kMultiplier);
}

}  // namespace ids
}  // namespace plasma_rs
