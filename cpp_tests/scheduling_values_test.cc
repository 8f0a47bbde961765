// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// fixed_point.h, scheduling_ids.h and placement_group_util.h: amounts, and names as numbers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <random>
#include <sstream>
#include <thread>
#include <unordered_set>

#include "ray/common/scheduling/fixed_point.h"
#include "ray/common/scheduling/placement_group_util.h"
#include "ray/common/scheduling/scheduling_ids.h"

namespace ray {
namespace {

using scheduling::NodeID;
using ::testing::HasSubstr;

std::string Printed(FixedPoint amount) {
  std::ostringstream text;
  text << amount;
  return text.str();
}

TEST(FixedPointTest, EveryNumberBecomesParts) {
  EXPECT_EQ(Printed(1), "10000");
  EXPECT_EQ(Printed(0.00019), "1");
  EXPECT_EQ(Printed(-0.00019), "-1");
  EXPECT_EQ(Printed(0.00009), "0");
  EXPECT_EQ(Printed(static_cast<int64_t>(-3)), "-30000");
  EXPECT_EQ(Printed(1000000), "10000000000");
  EXPECT_EQ(FixedPoint(), FixedPoint(0));
  EXPECT_EQ(FixedPoint(2.5).Double(), 2.5);
}

TEST(FixedPointTest, SumsAreExact) {
  FixedPoint sum;
  for (int i = 0; i < 10; i++) {
    sum += 0.1;
  }
  EXPECT_EQ(sum, 1);
  EXPECT_EQ(sum - 0.25, FixedPoint(0.75));
  EXPECT_EQ(sum + 0.25, FixedPoint(1.25));
  EXPECT_EQ(-sum, FixedPoint(-1));
  sum -= FixedPoint(2);
  EXPECT_LT(sum, 0);
  sum = 7.0;
  EXPECT_EQ(sum, FixedPoint(7));
  sum += static_cast<int64_t>(1);
  EXPECT_GE(sum, FixedPoint(8));
}

TEST(FixedPointTest, WhatDoesNotFitStaysAtTheEnd) {
  const std::string largest = std::to_string(std::numeric_limits<int64_t>::max());
  const std::string smallest = std::to_string(std::numeric_limits<int64_t>::min());
  EXPECT_EQ(Printed(1e300), largest);
  EXPECT_EQ(Printed(-std::numeric_limits<double>::infinity()), smallest);
  EXPECT_EQ(Printed(std::numeric_limits<double>::quiet_NaN()), "0");
  EXPECT_EQ(Printed(FixedPoint(1e300) + FixedPoint(1)), largest);
  EXPECT_EQ(Printed(FixedPoint(-1e300) - FixedPoint(1)), smallest);
  EXPECT_EQ(Printed(-FixedPoint(-1e300)), largest);
  EXPECT_EQ(Printed(std::numeric_limits<int64_t>::min()), smallest);
}

TEST(FixedPointTest, Vectors) {
  const auto amounts = FixedPointVectorFromDouble({1, 0.5});
  EXPECT_EQ(FixedPointVectorToString(amounts), "[10000, 5000]");
  EXPECT_EQ(FixedPointVectorToString({}), "[]");
  EXPECT_EQ(FixedPointVectorToDouble(amounts), (std::vector<double>{1, 0.5}));
  EXPECT_EQ(FixedPoint::Sum(amounts), 1.5);
}

TEST(SchedulingIdTest, ANameKeepsItsNumber) {
  const ResourceID id("values_custom");
  EXPECT_EQ(ResourceID("values_custom"), id);
  EXPECT_EQ(ResourceID(id.ToInt()).Binary(), "values_custom");
  EXPECT_NE(ResourceID("values_other"), id);
  EXPECT_EQ(ResourceID(-1).Binary(), "-1");
  EXPECT_EQ(std::hash<ResourceID>()(id), std::hash<int64_t>()(id.ToInt()));
  const std::string bytes("\xff\0\n", 3);
  EXPECT_EQ(ResourceID(bytes).Binary(), bytes);
  EXPECT_EQ(ResourceID(std::string()).Binary(), "");
}

TEST(SchedulingIdTest, NodesAreNumberedApart) {
  const NodeID node("values_node");
  EXPECT_EQ(node.Binary(), "values_node");
  EXPECT_NE(NodeID(CPU).Binary(), "CPU");
  EXPECT_TRUE(NodeID::Nil().IsNil() && NodeID().IsNil());
  std::ostringstream text;
  text << node << ResourceID::CPU();
  EXPECT_EQ(text.str(), std::to_string(node.ToInt()) + "CPU");
}

TEST(SchedulingIdTest, PredefinedAndImplicit) {
  EXPECT_EQ(ResourceID("GPU"), ResourceID::GPU());
  EXPECT_EQ(ResourceID("memory"), ResourceID::Memory());
  EXPECT_TRUE(ResourceID::ObjectStoreMemory().IsPredefinedResource());
  EXPECT_FALSE(ResourceID("values_custom").IsPredefinedResource());
  EXPECT_TRUE(ResourceID(std::string(kImplicitResourcePrefix) + "a").IsImplicitResource());
  EXPECT_FALSE(ResourceID("values_custom").IsImplicitResource() || ResourceID(-9).IsImplicitResource());
  EXPECT_TRUE(ResourceID::GPU().IsUnitInstanceResource() && ResourceID("TPU").IsUnitInstanceResource());
  EXPECT_FALSE(ResourceID::CPU().IsUnitInstanceResource());
}

TEST(SchedulingIdTest, ThreadsGetTheSameNumbers) {
  std::vector<std::vector<int64_t>> seen(4);
  std::vector<std::thread> threads;
  for (auto &numbers : seen) {
    threads.emplace_back([&numbers] {
      for (int i = 0; i < 1000; i++) {
        numbers.push_back(ResourceID("thread_" + std::to_string(i)).ToInt());
      }
    });
  }
  for (auto &thread : threads) {
    thread.join();
  }
  EXPECT_EQ(std::unordered_set<int64_t>(seen[0].begin(), seen[0].end()).size(), 1000U);
  EXPECT_TRUE(seen[0] == seen[1] && seen[1] == seen[2] && seen[2] == seen[3]);
}

TEST(StringIdMapTest, NumbersAreHashesUnlessTheyCollide) {
  StringIdMap map;
  EXPECT_EQ(map.Insert("a"), static_cast<int64_t>(std::hash<std::string>()("a")));
  EXPECT_EQ(map.Get("b"), -1);
  map.InsertOrDie("two", 2);
  EXPECT_EQ(map.Get(uint64_t{2}), "two");
  EXPECT_EQ(map.Count(), 2);
  StringIdMap few;
  std::unordered_set<int64_t> numbers;
  for (int i = 0; i < 8; i++) {
    numbers.insert(few.Insert(std::to_string(i), 8));
  }
  EXPECT_EQ(numbers.size(), 8U);
  EXPECT_EQ(few.Insert("0", 8), few.Get("0"));
}

TEST(StringIdMapDeathTest, WhatIsThereIsAMistake) {
  StringIdMap map;
  map.InsertOrDie("one", 1);
  EXPECT_DEATH(map.InsertOrDie("two", 1), HasSubstr("two"));
  EXPECT_DEATH(
      {
        map.Insert("a", 1);
        map.Insert("b", 1);
      },
      HasSubstr("no number is left among 1"));
}

TEST(PlacementGroupTest, NamesOfGroupsAndBundles) {
  const auto group = ParsePgFormattedResource("CPU_group_4482de", true, true);
  ASSERT_TRUE(group.has_value());
  EXPECT_EQ(group->original_resource, "CPU");
  EXPECT_EQ(group->bundle_index, -1);
  EXPECT_EQ(group->group_id, "4482de");
  const auto bundle = ParsePgFormattedResource("a_b_group_12_4482de", true, true);
  ASSERT_TRUE(bundle.has_value());
  EXPECT_EQ(bundle->original_resource, "a_b");
  EXPECT_EQ(bundle->bundle_index, 12);
  EXPECT_FALSE(ParsePgFormattedResource("CPU_group_4482de", false, true).has_value());
  EXPECT_FALSE(ParsePgFormattedResource("CPU_group_1_4482de", true, false).has_value());
  EXPECT_TRUE(IsCPUOrPlacementGroupCPUResource(ResourceID("CPU_group_1_ab")));
  EXPECT_FALSE(IsCPUOrPlacementGroupCPUResource(ResourceID("GPU_group_1_ab")));
}

TEST(PlacementGroupTest, AnyBytesMayCome) {
  EXPECT_FALSE(ParsePgFormattedResource("CPU_group_99999999999999999999_ab", true, true).has_value());
  EXPECT_FALSE(ParsePgFormattedResource(std::string(1 << 20, 'x'), true, true).has_value());
  EXPECT_TRUE(
      ParsePgFormattedResource(std::string(1 << 20, 'x') + "_group_ab", true, true).has_value());
  std::mt19937 random(7);
  for (int i = 0; i < 2000; i++) {
    std::string name;
    for (unsigned length = random() % 30; length > 0; length--) {
      name += "CPU_group_01ab\n\xff"[random() % 16];
    }
    ParsePgFormattedResource(name, true, true);
    EXPECT_EQ(ResourceID(name).Binary(), name);
  }
}

}  // namespace
}  // namespace ray
