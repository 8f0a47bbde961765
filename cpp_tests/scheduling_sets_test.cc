// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// resource_set.h and resource_instance_set.h: what is wanted and what a node has.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "ray/common/scheduling/resource_instance_set.h"
#include "ray/common/scheduling/resource_set.h"

namespace ray {
namespace {

using plasma_rs::HashMap;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Units = HashMap<std::string, double>;

const std::string kImplicit = std::string(kImplicitResourcePrefix) + "sets";

TEST(ResourceSetTest, WhatBecomesNothingIsRemoved) {
  ResourceSet set(Units{{"CPU", 1}, {"custom", 0.5}, {"none", 0}});
  EXPECT_EQ(set.Size(), 2U);
  EXPECT_EQ(set.Get(ResourceID("custom")), 0.5);
  EXPECT_FALSE(set.Has(ResourceID("none")));
  set.Set(ResourceID::CPU(), 0).Set(ResourceID("custom"), 0);
  EXPECT_TRUE(set.IsEmpty());
  EXPECT_EQ(set, ResourceSet());
  EXPECT_EQ(set, *ResourceSet::Nil());
}

TEST(ResourceSetTest, SumsAndComparisons) {
  const ResourceSet a(Units{{"CPU", 1}, {"x", 2}});
  const ResourceSet b(Units{{"CPU", -1}, {"y", 2}});
  EXPECT_EQ(a + b, ResourceSet(Units{{"x", 2}, {"y", 2}}));
  EXPECT_EQ(a - b, ResourceSet(Units{{"CPU", 2}, {"x", 2}, {"y", -2}}));
  EXPECT_TRUE((a - a).IsEmpty());
  ResourceSet itself = a;
  itself += itself;
  EXPECT_EQ(itself, a + a);
  itself -= itself;
  EXPECT_TRUE(itself.IsEmpty());
  EXPECT_TRUE(a <= a && a <= a + a && a + a >= a && a != b);
  EXPECT_FALSE(ResourceSet() <= b);
}

TEST(ResourceSetTest, ItIsWalkedInOrder) {
  ResourceSet set(Units{{"GPU", 2}, {"memory", 3}, {"CPU", 1}});
  std::vector<ResourceID> ids(set.ResourceIds().begin(), set.ResourceIds().end());
  EXPECT_THAT(ids, ElementsAre(ResourceID::CPU(), ResourceID::Memory(), ResourceID::GPU()));
  EXPECT_EQ(set.ResourceIds().begin()->Binary(), "CPU");
  EXPECT_EQ(set.DebugString(), "{CPU: 1, memory: 3, GPU: 2}");
  EXPECT_EQ(ResourceSet().DebugString(), "{}");
  EXPECT_EQ(set.GetResourceMap(), (Units{{"GPU", 2}, {"memory", 3}, {"CPU", 1}}));
  EXPECT_EQ(set.GetResourceUnorderedMap().at("GPU"), 2);
  EXPECT_EQ(std::hash<ResourceSet>()(set), std::hash<ResourceSet>()(ResourceSet(set.GetResourceMap())));
  EXPECT_NE(std::hash<ResourceSet>()(set), std::hash<ResourceSet>()(set + set));
}

TEST(ResourceSetTest, ItIsWhatAModelSays) {
  std::mt19937 random(11);
  for (int round = 0; round < 2000; round++) {
    std::map<int64_t, FixedPoint> model[2];
    ResourceSet set[2];
    for (int side = 0; side < 2; side++) {
      for (unsigned count = random() % 12; count > 0; count--) {
        const int64_t id = static_cast<int64_t>(random() % 12) - 3;
        const FixedPoint amount = (static_cast<int>(random() % 7) - 3) * 0.5;
        model[side][id] = amount;
        set[side].Set(ResourceID(id), amount);
      }
    }
    const ResourceSet sum = set[0] + set[1], rest = set[0] - set[1];
    bool at_most = true;
    size_t entries = 0;
    for (int64_t id = -3; id < 9; id++) {
      const FixedPoint a = model[0][id], b = model[1][id];
      ASSERT_EQ(sum.Get(ResourceID(id)), a + b);
      ASSERT_EQ(rest.Get(ResourceID(id)), a - b);
      at_most = at_most && a <= b;
      entries += a + b == 0 ? 0 : 1;
    }
    ASSERT_EQ(set[0] <= set[1], at_most);
    ASSERT_EQ(sum.Size(), entries);
    ASSERT_EQ(sum - set[1], set[0]);
  }
}

TEST(NodeResourceSetTest, ImplicitResourcesAreThere) {
  NodeResourceSet node(Units{{"CPU", 2}, {"x", -1}});
  EXPECT_EQ(node.Get(ResourceID(kImplicit)), 1);
  EXPECT_TRUE(node.Has(ResourceID(kImplicit)) && !node.Has(ResourceID("y")));
  node -= ResourceSet(Units{{kImplicit, 0.25}, {"CPU", 2}});
  EXPECT_EQ(node.Get(ResourceID(kImplicit)), 0.75);
  EXPECT_TRUE(node >= ResourceSet(Units{{kImplicit, 0.75}}));
  EXPECT_FALSE(node >= ResourceSet(Units{{"CPU", 0.1}}));
  EXPECT_THAT(node.ExplicitResourceIds(), ElementsAre(ResourceID("x")));
  node.RemoveNegative();
  node.Set(ResourceID(kImplicit), 1);
  EXPECT_EQ(node, NodeResourceSet());
  EXPECT_EQ(NodeResourceSet(Units{{"CPU", 1}}).DebugString(), "{CPU: 10000}");
  EXPECT_TRUE(NodeResourceSet(Units{{"CPU", 2}})
                  .CoversWithout(ResourceSet(Units{{"CPU", 1}}), ResourceSet(Units{{"CPU", 1}})));
}

std::vector<FixedPoint> Amounts(const std::vector<double> &units) {
  return FixedPointVectorFromDouble(units);
}

TEST(InstanceSetTest, WholeThingsAreAnInstanceEach) {
  const NodeResourceInstanceSet node(NodeResourceSet(Units{{"CPU", 2}, {"GPU", 2}, {"TPU", 0.5}}));
  EXPECT_EQ(node.Get(ResourceID::CPU()), Amounts({2}));
  EXPECT_EQ(node.Get(ResourceID::GPU()), Amounts({1, 1}));
  EXPECT_FALSE(node.Has(ResourceID("TPU")));
  EXPECT_EQ(node.Get(ResourceID(kImplicit)), Amounts({1}));
  EXPECT_EQ(node.Sum(ResourceID::GPU()), 2);
  EXPECT_EQ(node.Resources().size(), 2U);
  EXPECT_EQ(node.ToNodeResourceSet(), NodeResourceSet(Units{{"CPU", 2}, {"GPU", 2}}));
  EXPECT_EQ(NodeResourceInstanceSet(NodeResourceSet(Units{{"CPU", 2}})).DebugString(), "{CPU: [20000]}");
}

TEST(InstanceSetTest, ACopyHasBundlesOfItsOwn) {
  const ResourceID all("X_group_ab"), bundle("X_group_0_ab");
  NodeResourceInstanceSet node;
  node.Set(all, Amounts({1})).Set(bundle, Amounts({1}));
  NodeResourceInstanceSet copy = node;
  const ResourceSet wanted = ResourceSet().Set(all, 1);
  node.Remove(bundle);
  EXPECT_FALSE(node.TryAllocate(wanted).has_value());
  auto taken = copy.TryAllocate(wanted);
  ASSERT_TRUE(taken.has_value());
  EXPECT_EQ(taken->at(bundle), Amounts({1}));
  EXPECT_EQ(copy.Get(all), Amounts({0}));
  for (const auto &[resource, instances] : *taken) {
    copy.Free(resource, instances);
  }
  EXPECT_EQ(copy.Get(bundle), Amounts({1}));
  node = copy;
  EXPECT_TRUE(node.TryAllocate(wanted).has_value());
  NodeResourceInstanceSet moved = std::move(copy);
  EXPECT_TRUE(moved.TryAllocate(wanted).has_value());
}

TEST(InstanceSetTest, DemandsThatContradictEachOtherAreRefused) {
  NodeResourceInstanceSet node;
  node.Set(ResourceID("Y_group_0_ab"), Amounts({1}));
  node.Set(ResourceID("Z_group_ab"), Amounts({1})).Set(ResourceID("Z_group_0_ab"), Amounts({1, 1}));
  const NodeResourceInstanceSet before = node;
  for (const std::string name : {"Y", "Z"}) {
    const ResourceSet wanted(Units{{name + "_group_0_ab", 1}, {name + "_group_ab", 1}});
    EXPECT_FALSE(node.TryAllocate(wanted).has_value());
  }
  EXPECT_EQ(node, before);
}

TEST(InstanceSetTest, AmountsMayComeFromTheSetItself) {
  NodeResourceInstanceSet node;
  node.Set(ResourceID::GPU(), Amounts({1, 2}));
  node.Add(ResourceID::GPU(), node.Get(ResourceID::GPU()));
  EXPECT_EQ(node.Get(ResourceID::GPU()), Amounts({2, 4}));
  node.Free(ResourceID::GPU(), node.Get(ResourceID::GPU()));
  EXPECT_EQ(node.Get(ResourceID::GPU()), Amounts({4, 8}));
  const auto missing = node.Subtract(ResourceID::GPU(), node.Get(ResourceID::GPU()), false);
  EXPECT_EQ(missing, Amounts({0, 0}));
  EXPECT_EQ(node.Get(ResourceID::GPU()), Amounts({0, 0}));
  EXPECT_EQ(node.Subtract(ResourceID::GPU(), Amounts({1, 0}), false), Amounts({1, 0}));
}

TEST(InstanceSetDeathTest, MistakesAreNamed) {
  NodeResourceInstanceSet node;
  node.Set(ResourceID::GPU(), Amounts({1, 1}));
  EXPECT_DEATH(node.Free(ResourceID::GPU(), Amounts({1})), HasSubstr("GPU has 2 instances, not 1"));
  EXPECT_DEATH(node.Set(ResourceID::GPU(), {}), HasSubstr("GPU would have no instance"));
  EXPECT_DEATH(node.Add(ResourceID(kImplicit), Amounts({1})), HasSubstr("is implicit"));
  EXPECT_DEATH(NodeResourceInstanceSet(NodeResourceSet(Units{{"GPU", 1e12}})),
               HasSubstr("1000000000000 instances"));
}

}  // namespace
}  // namespace ray
