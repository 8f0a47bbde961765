// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Stand-in for Ray's header of this name, with as much as the drop-in headers need. Inside a Ray build Ray's serves.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ray/common/buffer.h"
#include "src/ray/protobuf/common.pb.h"

namespace ray {

/// A value: data and metadata, of which one may be missing.
class RayObject {
 public:
  RayObject(std::shared_ptr<Buffer> data,
            std::shared_ptr<Buffer> metadata,
            const std::vector<rpc::ObjectReference> & /*nested_refs*/)
      : data_(std::move(data)), metadata_(std::move(metadata)) {}

  std::shared_ptr<Buffer> GetData() const { return data_; }
  const std::shared_ptr<Buffer> &GetMetadata() const { return metadata_; }
  bool HasData() const { return data_ != nullptr; }
  bool HasMetadata() const { return metadata_ != nullptr; }
  uint64_t GetSize() const {
    return (data_ ? data_->Size() : 0) + (metadata_ ? metadata_->Size() : 0);
  }

  /// Whether the metadata are the number of an error, in digits, as Ray writes exceptions.
  bool IsException() const {
    if (metadata_ == nullptr || metadata_->Size() == 0) {
      return false;
    }
    for (size_t i = 0; i < metadata_->Size(); i++) {
      if (metadata_->Data()[i] < '0' || metadata_->Data()[i] > '9') {
        return false;
      }
    }
    return true;
  }

 private:
  const std::shared_ptr<Buffer> data_;
  const std::shared_ptr<Buffer> metadata_;
};

}  // namespace ray
