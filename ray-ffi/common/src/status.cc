// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "ray/common/status.h"

#include <boost/system/error_code.hpp>
#include <cstdint>
#include <string_view>

#include "ray-ffi/common/src/status.rs.h"

namespace ray {
namespace {

rust::Slice<const uint8_t> SliceOf(std::string_view text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

int8_t NumberOf(StatusCode code) { return static_cast<int8_t>(code); }

}  // namespace

Status::Status(StatusCode code, const std::string &msg, int rpc_code)
    : Status(code, msg, SourceLocation{}, rpc_code) {}

Status::Status(StatusCode code, const std::string &msg, SourceLocation loc, int rpc_code)
    : state_(code == StatusCode::OK ? nullptr : new State{code, msg, loc, rpc_code}) {}

std::string Status::ToString() const {
  if (ok()) {
    return CodeAsString();
  }
  std::string text;
  plasma_rs::statuses::status_text(NumberOf(state_->code),
                                   SliceOf(state_->msg),
                                   state_->rpc_code,
                                   SliceOf(state_->loc.filename),
                                   state_->loc.line_no,
                                   text);
  return text;
}

std::string Status::CodeAsString() const {
  return std::string(plasma_rs::statuses::code_text(NumberOf(code())));
}

StatusCode Status::StringToCode(const std::string &str) {
  return static_cast<StatusCode>(plasma_rs::statuses::code_of_text(SliceOf(str)));
}

Status boost_to_ray_status(const boost::system::error_code &error) {
  return error ? Status::IOError(error.message()) : Status::OK();
}

}  // namespace ray
