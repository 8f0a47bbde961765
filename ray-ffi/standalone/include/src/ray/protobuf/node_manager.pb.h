// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Stand-in for the header that Ray's build makes of its protocol buffers, with as much as the drop-in headers need.

#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace ray {
namespace rpc {

/// A piece of a value of a channel.
class PushMutableObjectRequest {
 public:
  const std::string &writer_object_id() const { return writer_object_id_; }
  uint64_t total_data_size() const { return total_data_size_; }
  uint64_t total_metadata_size() const { return total_metadata_size_; }
  uint64_t offset() const { return offset_; }
  uint64_t chunk_size() const { return chunk_size_; }
  const std::string &data() const { return data_; }
  const std::string &metadata() const { return metadata_; }
  void set_writer_object_id(std::string value) { writer_object_id_ = std::move(value); }
  void set_total_data_size(uint64_t value) { total_data_size_ = value; }
  void set_total_metadata_size(uint64_t value) { total_metadata_size_ = value; }
  void set_offset(uint64_t value) { offset_ = value; }
  void set_chunk_size(uint64_t value) { chunk_size_ = value; }
  void set_data(std::string value) { data_ = std::move(value); }
  void set_metadata(std::string value) { metadata_ = std::move(value); }

 private:
  std::string writer_object_id_;
  uint64_t total_data_size_ = 0;
  uint64_t total_metadata_size_ = 0;
  uint64_t offset_ = 0;
  uint64_t chunk_size_ = 0;
  std::string data_;
  std::string metadata_;
};

class PushMutableObjectReply {
 public:
  bool done() const { return done_; }
  void set_done(bool value) { done_ = value; }

 private:
  bool done_ = false;
};

}  // namespace rpc
}  // namespace ray
