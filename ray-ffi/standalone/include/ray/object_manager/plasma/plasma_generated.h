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

enum class MessageType : int64_t {
  PlasmaDisconnectClient = 0,
  PlasmaCreateRequest = 1,
  PlasmaCreateRetryRequest = 2,
  PlasmaCreateReply = 3,
  PlasmaAbortRequest = 4,
  PlasmaAbortReply = 5,
  PlasmaSealRequest = 6,
  PlasmaSealReply = 7,
  PlasmaGetRequest = 8,
  PlasmaGetReply = 9,
  PlasmaReleaseRequest = 10,
  PlasmaReleaseReply = 11,
  PlasmaDeleteRequest = 12,
  PlasmaDeleteReply = 13,
  PlasmaContainsRequest = 14,
  PlasmaContainsReply = 15,
  PlasmaConnectRequest = 16,
  PlasmaConnectReply = 17,
  PlasmaGetDebugStringRequest = 18,
  PlasmaGetDebugStringReply = 19,
  MIN = PlasmaDisconnectClient,
  MAX = PlasmaGetDebugStringReply,
};

/// The name of a type, or "" when there is no such type.
const char *EnumNameMessageType(MessageType type);

}  // namespace flatbuf
}  // namespace plasma
