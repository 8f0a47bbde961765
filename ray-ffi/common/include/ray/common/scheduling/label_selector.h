// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Which nodes are wanted, by their labels. Expressions are read and written in Rust.

#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plasma_rs/scheduling/containers.h"
#include "ray/common/constants.h"
#include "src/ray/protobuf/common.pb.h"

#ifndef PLASMA_RS_STANDALONE
#include "google/protobuf/map.h"
#endif

namespace plasma_rs {

/// What is wrong with a label's key or an expression, and nothing if both are well formed. Whoever takes expressions from users
/// can ask before a selector is made of them, which takes anything.
std::string LabelFault(const std::string &key, const std::string &expression);

}  // namespace plasma_rs

namespace ray {

enum class LabelSelectorOperator { LABEL_OPERATOR_UNSPECIFIED = 0, LABEL_IN = 1, LABEL_NOT_IN = 2 };

/// What one label must be.
class LabelConstraint {
 public:
  LabelConstraint() = default;
  LabelConstraint(std::string key, LabelSelectorOperator op, plasma_rs::HashSet<std::string> values)
      : key_(std::move(key)), op_(op), values_(std::move(values)) {}
  /// An operator that is none of ours stays what it is; no node meets such a constraint.
  explicit LabelConstraint(const rpc::LabelSelectorConstraint &proto)
      : key_(proto.label_key()),
        op_(static_cast<LabelSelectorOperator>(proto.operator_())),
        values_(proto.label_values().begin(), proto.label_values().end()) {}

  const std::string &GetLabelKey() const { return key_; }
  LabelSelectorOperator GetOperator() const { return op_; }
  const plasma_rs::HashSet<std::string> &GetLabelValues() const { return values_; }

 private:
  std::string key_;
  LabelSelectorOperator op_ = LabelSelectorOperator::LABEL_OPERATOR_UNSPECIFIED;
  plasma_rs::HashSet<std::string> values_;
};

inline bool operator==(const LabelConstraint &lhs, const LabelConstraint &rhs) {
  return lhs.GetOperator() == rhs.GetOperator() && lhs.GetLabelKey() == rhs.GetLabelKey() &&
         lhs.GetLabelValues() == rhs.GetLabelValues();
}

/// Constraints that a node must meet all, each once, in the order in which they came.
class LabelSelector {
 public:
  LabelSelector() = default;

  /// From keys and what a user wrote to each: `a`, `!a`, `in(a,b)`, `!in(a,b)`.
  template <typename MapType>
  explicit LabelSelector(const MapType &label_selector) {
    for (const auto &entry : label_selector) {
      AddConstraint(entry.first, entry.second);
    }
  }

  explicit LabelSelector(const rpc::LabelSelector &proto) {
    constraints_.reserve(static_cast<size_t>(proto.label_constraints_size()));
    for (const auto &constraint : proto.label_constraints()) {
      AddConstraint(LabelConstraint(constraint));
    }
  }

  /// Makes `proto` this selector; values are in order.
  void ToProto(rpc::LabelSelector *proto) const;

  /// Keys and expressions, as a user would write them. Of several constraints on one key the last is there.
  google::protobuf::Map<std::string, std::string> ToStringMap() const;

  /// Takes anything. If key or expression is not well formed a warning names the fault, and it is what
  /// `ParseLabelSelectorValue` makes of it.
  void AddConstraint(const std::string &key, const std::string &value);
  void AddConstraint(LabelConstraint constraint);

  const std::vector<LabelConstraint> &GetConstraints() const { return constraints_; }

  std::string DebugString() const;

  /// Cuts an expression. What is not a whole list is a value.
  std::pair<LabelSelectorOperator, plasma_rs::HashSet<std::string>> ParseLabelSelectorValue(
      const std::string &key, const std::string &value);

 private:
  std::vector<LabelConstraint> constraints_;
};

inline bool operator==(const LabelSelector &lhs, const LabelSelector &rhs) {
  return lhs.GetConstraints() == rhs.GetConstraints();
}

/// For Abseil. Equal selectors have equal hashes, in whatever order their values lie.
template <typename H>
H AbslHashValue(H h, const LabelSelector &label_selector) {
  for (const auto &constraint : label_selector.GetConstraints()) {
    size_t values = constraint.GetLabelValues().size();
    for (const auto &value : constraint.GetLabelValues()) {
      values += std::hash<std::string>()(value);
    }
    h = H::combine(std::move(h),
                   constraint.GetLabelKey(),
                   static_cast<int>(constraint.GetOperator()),
                   values);
  }
  return H::combine(std::move(h), label_selector.GetConstraints().size());
}

/// The ids of the nodes to one of which a selector is bound, if it is.
inline std::optional<plasma_rs::HashSet<std::string>> GetHardNodeAffinityValues(
    const LabelSelector &label_selector) {
  for (const auto &constraint : label_selector.GetConstraints()) {
    if (constraint.GetOperator() == LabelSelectorOperator::LABEL_IN &&
        constraint.GetLabelKey() == kLabelKeyNodeID) {
      return constraint.GetLabelValues();
    }
  }
  return std::nullopt;
}

}  // namespace ray
