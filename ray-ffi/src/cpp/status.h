// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// What an error of the store means as a status.

#pragma once

#include "ray/common/status.h"
#include "ray/object_manager/plasma/plasma_generated.h"

namespace plasma_rs {

inline ray::Status StatusOf(plasma::flatbuf::PlasmaError error) {
  using plasma::flatbuf::PlasmaError;
  switch (error) {
  case PlasmaError::OK:
    return ray::Status::OK();
  case PlasmaError::ObjectExists:
    return ray::Status::ObjectExists("the plasma store has an object of this id");
  case PlasmaError::ObjectNonexistent:
    return ray::Status::ObjectNotFound("the plasma store has no object of this id");
  case PlasmaError::OutOfMemory:
    return ray::Status::ObjectStoreFull("the object does not fit into the plasma store");
  case PlasmaError::OutOfDisk:
    return ray::Status::OutOfDisk("the local disk is full");
  case PlasmaError::ObjectSealed:
    return ray::Status::ObjectAlreadySealed("the object is sealed");
  default:
    return ray::Status::UnknownError("the plasma store answered with error " +
                                     std::to_string(static_cast<int>(error)));
  }
}

}  // namespace plasma_rs
