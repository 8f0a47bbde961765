// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Stand-in for Ray's header of this name, with as much as the drop-in headers need. Inside a Ray build Ray's serves.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "ray/util/logging.h"

namespace ray {

/// Bytes that somebody keeps.
class Buffer {
 public:
  Buffer() = default;
  virtual ~Buffer() = default;
  Buffer(const Buffer &) = delete;
  Buffer &operator=(const Buffer &) = delete;

  virtual uint8_t *Data() const = 0;
  virtual size_t Size() const = 0;
  virtual bool OwnsData() const = 0;
  virtual bool IsPlasmaBuffer() const = 0;

  bool operator==(const Buffer &other) const {
    return Size() == other.Size() &&
           (Size() == 0 || std::memcmp(Data(), other.Data(), Size()) == 0);
  }
};

/// Bytes in shared memory, or a part of another buffer, which it keeps.
class SharedMemoryBuffer : public Buffer {
 public:
  SharedMemoryBuffer(uint8_t *data, size_t size) : data_(data), size_(size) {}
  SharedMemoryBuffer(const std::shared_ptr<Buffer> &buffer, int64_t offset, int64_t size)
      : data_(buffer->Data() + offset), size_(size), parent_(buffer) {
    RAY_CHECK(size_ <= parent_->Size());
  }

  static std::shared_ptr<SharedMemoryBuffer> Slice(const std::shared_ptr<Buffer> &buffer,
                                                   int64_t offset,
                                                   int64_t size) {
    return std::make_shared<SharedMemoryBuffer>(buffer, offset, size);
  }

  uint8_t *Data() const override { return data_; }
  size_t Size() const override { return size_; }
  bool OwnsData() const override { return true; }
  bool IsPlasmaBuffer() const override { return true; }

 private:
  uint8_t *data_;
  size_t size_;
  std::shared_ptr<Buffer> parent_;
};

/// Bytes of this process, its own or somebody else's.
class LocalMemoryBuffer : public Buffer {
 public:
  LocalMemoryBuffer(uint8_t *data, size_t size, bool copy_data = false)
      : copy_(copy_data ? std::make_unique<uint8_t[]>(size) : nullptr),
        data_(copy_data ? copy_.get() : data),
        size_(size) {
    if (copy_data && size > 0) {
      std::memcpy(data_, data, size);
    }
  }

  uint8_t *Data() const override { return data_; }
  size_t Size() const override { return size_; }
  bool OwnsData() const override { return copy_ != nullptr; }
  bool IsPlasmaBuffer() const override { return false; }

 private:
  const std::unique_ptr<uint8_t[]> copy_;
  uint8_t *const data_;
  const size_t size_;
};

}  // namespace ray
