// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#pragma once

#include <string>
#include <utility>
#include <vector>

namespace demo {

/// Nanoseconds an operation, by name: the median of several batches of operations on objects of 1 KiB.
std::vector<std::pair<std::string, double>> MeasureCosts(const std::string &plasma_directory,
                                                         const std::string &fallback_directory);

/// How many objects a batch has, and how many batches there are.
constexpr int kBatchSize = 10000;
constexpr int kBatches = 15;

}  // namespace demo
