// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// What to try when no node is as wanted: other wishes, in order.

#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "ray/common/scheduling/label_selector.h"
#include "src/ray/protobuf/common.pb.h"

#ifndef PLASMA_RS_STANDALONE
#include "absl/hash/hash.h"
#endif

namespace ray {

/// One of the wishes.
struct FallbackOption {
  FallbackOption() = default;
  explicit FallbackOption(LabelSelector selector) : label_selector(std::move(selector)) {}
  explicit FallbackOption(const rpc::LabelSelector &proto_selector)
      : label_selector(proto_selector) {}

  void ToProto(rpc::FallbackOption *proto) const;

  /// Which nodes will do.
  LabelSelector label_selector;
};

inline bool operator==(const FallbackOption &lhs, const FallbackOption &rhs) {
  return lhs.label_selector == rhs.label_selector;
}

template <typename H>
H AbslHashValue(H h, const FallbackOption &option) {
  return H::combine(std::move(h), option.label_selector);
}

std::shared_ptr<std::vector<FallbackOption>> ParseFallbackStrategy(
    const google::protobuf::RepeatedPtrField<rpc::FallbackOption> &strategy_proto_list);

rpc::FallbackStrategy SerializeFallbackStrategy(const std::vector<FallbackOption> &strategy_list);

}  // namespace ray
