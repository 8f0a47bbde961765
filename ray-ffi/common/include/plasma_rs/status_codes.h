// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// The codes of a status, and their numbers, for C++; `ray_common::StatusCode` has them with their texts and meanings. A test
// compares the two.

#pragma once

/// Every code that is an error without a code of the transport.
#define PLASMA_RS_PLAIN_ERRORS(CODE) \
  CODE(OutOfMemory, 1)               \
  CODE(KeyError, 2)                  \
  CODE(TypeError, 3)                 \
  CODE(Invalid, 4)                   \
  CODE(IOError, 5)                   \
  CODE(UnknownError, 9)              \
  CODE(NotImplemented, 10)           \
  CODE(RedisError, 11)               \
  CODE(TimedOut, 12)                 \
  CODE(Interrupted, 13)              \
  CODE(IntentionalSystemExit, 14)    \
  CODE(UnexpectedSystemExit, 15)     \
  CODE(CreationTaskError, 16)        \
  CODE(NotFound, 17)                 \
  CODE(Disconnected, 18)             \
  CODE(SchedulingCancelled, 19)      \
  CODE(AlreadyExists, 20)            \
  CODE(ObjectExists, 21)             \
  CODE(ObjectNotFound, 22)           \
  CODE(ObjectAlreadySealed, 23)      \
  CODE(ObjectStoreFull, 24)          \
  CODE(TransientObjectStoreFull, 25) \
  CODE(OutOfDisk, 28)                \
  CODE(ObjectUnknownOwner, 29)       \
  CODE(OutOfResource, 31)            \
  CODE(ObjectRefEndOfStream, 32)     \
  CODE(Unauthenticated, 33)          \
  CODE(InvalidArgument, 34)          \
  CODE(ChannelError, 35)             \
  CODE(ChannelTimeoutError, 36)      \
  CODE(PermissionDenied, 37)

/// Every code that is an error.
#define PLASMA_RS_ERRORS(CODE)       \
  PLASMA_RS_PLAIN_ERRORS(CODE)       \
  CODE(RpcError, 30)

/// Those that have a type of their own, for functions that say which errors they can end with.
#define PLASMA_RS_ERROR_TYPES(TYPE) \
  TYPE(OutOfMemory)                 \
  TYPE(KeyError)                    \
  TYPE(IOError)                     \
  TYPE(Invalid)                     \
  TYPE(NotFound)                    \
  TYPE(PermissionDenied)            \
  TYPE(InvalidArgument)             \
  TYPE(AlreadyExists)               \
  TYPE(TimedOut)
