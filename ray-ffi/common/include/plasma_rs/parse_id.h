// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Ids from bytes and text that anybody may have sent. Ray's FromBinary ends the process when the length is wrong, and its
// FromHex makes nil of anything; these return what is wrong.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "plasma_rs/id_bytes.h"
#include "ray/common/id.h"
#include "ray/common/status_or.h"

namespace plasma_rs {

/// An id from its bytes; nil from none.
///
/// \return InvalidArgument for any other length than that of the id and 0.
template <typename Id>
ray::StatusOr<Id> IdFromBinary(std::string_view binary) {
  if (!binary.empty() && binary.size() != Id::Size()) {
    return ray::Status::InvalidArgument(ids::WrongLength(Id::Size(), binary.size()));
  }
  return Id::FromBinary(std::string(binary));
}

/// An id from hexadecimal digits of either case.
///
/// \return InvalidArgument when there are too many or too few, or at the first character that is none.
template <typename Id>
ray::StatusOr<Id> IdFromHex(std::string_view hex) {
  std::string binary(Id::Size(), '\0');
  std::string fault =
      ids::ReadHex(hex, reinterpret_cast<uint8_t *>(binary.data()), binary.size());
  if (!fault.empty()) {
    return ray::Status::InvalidArgument(fault);
  }
  return Id::FromBinary(binary);
}

}  // namespace plasma_rs
