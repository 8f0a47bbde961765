// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "ray/common/scheduling/fallback_strategy.h"

#include "ray/util/logging.h"

namespace ray {

void FallbackOption::ToProto(rpc::FallbackOption *proto) const {
  RAY_CHECK(proto != nullptr);
  label_selector.ToProto(proto->mutable_label_selector());
}

std::shared_ptr<std::vector<FallbackOption>> ParseFallbackStrategy(
    const google::protobuf::RepeatedPtrField<rpc::FallbackOption> &strategy_proto_list) {
  auto options = std::make_shared<std::vector<FallbackOption>>();
  options->reserve(static_cast<size_t>(strategy_proto_list.size()));
  for (const rpc::FallbackOption &option : strategy_proto_list) {
    options->emplace_back(option.label_selector());
  }
  return options;
}

rpc::FallbackStrategy SerializeFallbackStrategy(const std::vector<FallbackOption> &strategy_list) {
  rpc::FallbackStrategy strategy;
  for (const FallbackOption &option : strategy_list) {
    option.ToProto(strategy.add_options());
  }
  return strategy;
}

}  // namespace ray
