// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// What the demonstration shows, in colour if it is a terminal that sees it.

#pragma once

#include <string>
#include <utility>
#include <vector>

#include "store.h"

namespace demo {

void ShowHeading(const std::string &text);

/// Shows how full the region is from its start to its end, as blocks over a few lines.
void ShowOccupancy(const std::string &title, const plasma::PlasmaAllocator &allocator);

/// What had happened at the end of a stage, and how many objects there were.
struct Stage {
  std::string name;
  Events events;
  int64_t present;
};

/// Shows a line for each stage, of what happened in it, and the sums.
void ShowStages(const std::vector<Stage> &stages);

void ShowCosts(const std::vector<std::pair<std::string, double>> &costs);

}  // namespace demo
