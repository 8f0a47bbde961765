// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// The second process: it gets descriptors over a socket, maps them for reading and looks at every byte.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <set>

#include "ray/object_manager/plasma/common.h"

namespace demo {

/// What the second process found since the last report.
struct Report {
  uint64_t objects;
  uint64_t fallback_objects;
  uint64_t bytes;
  uint64_t wrong_words;
  /// Files that it has mapped by now.
  uint64_t mappings;
};

/// The second process as the store sees it.
class Verifier {
 public:
  /// Starts the process: this program again, with the arguments for RunVerifier.
  Verifier();
  /// Ends the process.
  ~Verifier();
  Verifier(const Verifier &) = delete;
  Verifier &operator=(const Verifier &) = delete;

  /// Tells of an object, and sends its descriptor if it is a new one.
  void Describe(const plasma::LocalObject &object, uint64_t seed);

  /// Waits until everything that was described is verified.
  Report Finish();

 private:
  int socket_ = -1;
  pid_t process_ = -1;
  std::set<int64_t> sent_files_;
};

constexpr char kVerifierRole[] = "--verify";

/// The second process. \return Its exit code.
int RunVerifier(int socket);

}  // namespace demo
