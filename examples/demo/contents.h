// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// What is in the demonstration's objects: bytes that follow from a number, and differ in every word.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace demo {

/// The finalizer of splitmix64.
inline uint64_t Mix(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

/// Calls `visit(offset, word, size)` for each word of the contents; the last may be a part of one.
template <typename Visit>
void ForEachWord(uint64_t seed, size_t size, Visit visit) {
  for (size_t offset = 0; offset < size; offset += sizeof(uint64_t)) {
    const size_t rest = size - offset;
    visit(offset, Mix(seed + offset * 0x9e3779b97f4a7c15), rest < 8 ? rest : 8);
  }
}

inline void Fill(uint64_t seed, uint8_t *bytes, size_t size) {
  ForEachWord(seed, size, [&](size_t offset, uint64_t word, size_t count) {
    std::memcpy(bytes + offset, &word, count);
  });
}

/// How many words are not as Fill wrote them.
inline size_t CountWrong(uint64_t seed, const uint8_t *bytes, size_t size) {
  size_t wrong = 0;
  ForEachWord(seed, size, [&](size_t offset, uint64_t word, size_t count) {
    wrong += std::memcmp(bytes + offset, &word, count) != 0;
  });
  return wrong;
}

}  // namespace demo
