// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "ray/common/scheduling/label_selector.h"

#include <algorithm>
#include <sstream>

#include "ray-ffi/common/src/scheduling/labels.rs.h"
#include "ray/util/logging.h"

namespace plasma_rs {

std::string LabelFault(const std::string &key, const std::string &expression) {
  std::string fault;
  label_fault(key, expression, fault);
  return fault;
}

}  // namespace plasma_rs

namespace ray {

namespace {

std::vector<std::string> InOrder(const plasma_rs::HashSet<std::string> &values) {
  std::vector<std::string> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

}  // namespace

void LabelSelector::ToProto(rpc::LabelSelector *proto) const {
  RAY_CHECK(proto != nullptr);
  proto->clear_label_constraints();
  for (const LabelConstraint &constraint : constraints_) {
    auto *message = proto->add_label_constraints();
    message->set_label_key(constraint.GetLabelKey());
    message->set_operator_(static_cast<rpc::LabelSelectorOperator>(constraint.GetOperator()));
    for (const std::string &value : InOrder(constraint.GetLabelValues())) {
      message->add_label_values(value);
    }
  }
}

google::protobuf::Map<std::string, std::string> LabelSelector::ToStringMap() const {
  google::protobuf::Map<std::string, std::string> map;
  for (const LabelConstraint &constraint : constraints_) {
    const LabelSelectorOperator op = constraint.GetOperator();
    if (op != LabelSelectorOperator::LABEL_IN && op != LabelSelectorOperator::LABEL_NOT_IN) {
      continue;
    }
    std::string expression;
    plasma_rs::append_label_expression(op == LabelSelectorOperator::LABEL_NOT_IN,
                                       InOrder(constraint.GetLabelValues()),
                                       expression);
    if (!expression.empty()) {
      map[constraint.GetLabelKey()] = expression;
    }
  }
  return map;
}

void LabelSelector::AddConstraint(const std::string &key, const std::string &value) {
  const std::string fault = plasma_rs::LabelFault(key, value);
  if (!fault.empty()) {
    RAY_LOG(WARNING) << "A label selector is not well formed: " << fault;
  }
  auto [op, values] = ParseLabelSelectorValue(key, value);
  AddConstraint(LabelConstraint(key, op, std::move(values)));
}

void LabelSelector::AddConstraint(LabelConstraint constraint) {
  if (std::find(constraints_.begin(), constraints_.end(), constraint) == constraints_.end()) {
    constraints_.push_back(std::move(constraint));
  }
}

std::pair<LabelSelectorOperator, plasma_rs::HashSet<std::string>>
LabelSelector::ParseLabelSelectorValue(const std::string & /*key*/, const std::string &value) {
  rust::Vec<std::size_t> bounds;
  const auto op = static_cast<LabelSelectorOperator>(plasma_rs::cut_label_expression(value, bounds));
  plasma_rs::HashSet<std::string> values;
  for (std::size_t at = 0; at + 1 < bounds.size(); at += 2) {
    values.emplace(value, bounds[at], bounds[at + 1] - bounds[at]);
  }
  return {op, std::move(values)};
}

std::string LabelSelector::DebugString() const {
  std::ostringstream text;
  const char *separator = "{";
  for (const LabelConstraint &constraint : constraints_) {
    text << separator << "'" << constraint.GetLabelKey() << "': ";
    separator = ", ";
    switch (constraint.GetOperator()) {
    case LabelSelectorOperator::LABEL_IN:
      text << "in";
      break;
    case LabelSelectorOperator::LABEL_NOT_IN:
      text << "!in";
      break;
    default:
      break;
    }
    text << " (";
    const char *comma = "";
    for (const std::string &value : InOrder(constraint.GetLabelValues())) {
      text << comma << "'" << value << "'";
      comma = ", ";
    }
    text << ")";
  }
  return constraints_.empty() ? "{}" : text.str() + "}";
}

}  // namespace ray
