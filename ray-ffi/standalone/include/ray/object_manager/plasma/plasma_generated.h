// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Stand-in for Ray's header of this name, with as much as the drop-in headers need. Inside a Ray build Ray's serves.

#pragma once

#include <cstdint>

namespace plasma {
namespace flatbuf {

enum class ObjectSource : int32_t {
  CreatedByWorker = 0,
  RestoredFromStorage = 1,
  ReceivedFromRemoteRaylet = 2,
  ErrorStoredByRaylet = 3,
};

enum class PlasmaError : int32_t {
  OK = 0,
  ObjectExists = 1,
  ObjectNonexistent = 2,
  OutOfMemory = 3,
  ObjectNotSealed = 4,
  ObjectInUse = 5,
  UnexpectedError = 6,
  ObjectSealed = 7,
  OutOfDisk = 8,
};

}  // namespace flatbuf
}  // namespace plasma
