// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Stand-in for the header that Ray's build makes of its protocol buffers, with as much as the drop-in headers need.

#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace google {
namespace protobuf {

template <typename Key, typename Value>
using Map = std::unordered_map<Key, Value>;

template <typename T>
using RepeatedPtrField = std::vector<T>;

}  // namespace protobuf
}  // namespace google

namespace ray {
namespace rpc {

/// Where a worker is.
class Address {
 public:
  const std::string &node_id() const { return node_id_; }
  const std::string &ip_address() const { return ip_address_; }
  int32_t port() const { return port_; }
  const std::string &worker_id() const { return worker_id_; }
  void set_node_id(std::string value) { node_id_ = std::move(value); }
  void set_ip_address(std::string value) { ip_address_ = std::move(value); }
  void set_port(int32_t value) { port_ = value; }
  void set_worker_id(std::string value) { worker_id_ = std::move(value); }

 private:
  std::string node_id_;
  std::string ip_address_;
  int32_t port_ = 0;
  std::string worker_id_;
};

/// Which object somebody means.
class ObjectReference {
 public:
  const std::string &object_id() const { return object_id_; }
  void set_object_id(std::string value) { object_id_ = std::move(value); }

 private:
  std::string object_id_;
};

enum LabelSelectorOperator {
  LABEL_OPERATOR_UNSPECIFIED = 0,
  LABEL_OPERATOR_IN = 1,
  LABEL_OPERATOR_NOT_IN = 2
};

/// What one label must be.
class LabelSelectorConstraint {
 public:
  using Values = google::protobuf::RepeatedPtrField<std::string>;

  const std::string &label_key() const { return label_key_; }
  LabelSelectorOperator operator_() const { return operator__; }
  const Values &label_values() const { return label_values_; }
  void set_label_key(std::string value) { label_key_ = std::move(value); }
  void set_operator_(LabelSelectorOperator value) { operator__ = value; }
  void add_label_values(std::string value) { label_values_.push_back(std::move(value)); }

 private:
  std::string label_key_;
  LabelSelectorOperator operator__ = LABEL_OPERATOR_UNSPECIFIED;
  Values label_values_;
};

/// What a node's labels must be.
class LabelSelector {
 public:
  using Constraints = google::protobuf::RepeatedPtrField<LabelSelectorConstraint>;

  const Constraints &label_constraints() const { return label_constraints_; }
  int label_constraints_size() const { return static_cast<int>(label_constraints_.size()); }
  void clear_label_constraints() { label_constraints_.clear(); }
  LabelSelectorConstraint *add_label_constraints() {
    return &label_constraints_.emplace_back();
  }

 private:
  Constraints label_constraints_;
};

/// What will do as well.
class FallbackOption {
 public:
  bool has_label_selector() const { return has_label_selector_; }
  const LabelSelector &label_selector() const { return label_selector_; }
  LabelSelector *mutable_label_selector() {
    has_label_selector_ = true;
    return &label_selector_;
  }

 private:
  bool has_label_selector_ = false;
  LabelSelector label_selector_;
};

/// All that will do as well, in order.
class FallbackStrategy {
 public:
  const google::protobuf::RepeatedPtrField<FallbackOption> &options() const { return options_; }
  int options_size() const { return static_cast<int>(options_.size()); }
  FallbackOption *add_options() { return &options_.emplace_back(); }

 private:
  google::protobuf::RepeatedPtrField<FallbackOption> options_;
};

}  // namespace rpc
}  // namespace ray
