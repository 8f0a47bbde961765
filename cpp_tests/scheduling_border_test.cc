// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// The same random operations on our C++ classes and on the Rust types themselves, which src/bin/scheduling_border_test.rs
// gives to this program: both sides agree on every amount.

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <random>

#include "ray/common/scheduling/resource_instance_set.h"
#include "ray/common/scheduling/resource_set.h"

extern "C" {
int64_t rust_amount(double units);
int64_t rust_amount_of_units(int64_t units);
double rust_units(int64_t parts);
int64_t rust_plus(int64_t left, int64_t right);
int64_t rust_minus(int64_t left, int64_t right);
// Sets 0 and 1.
void rust_clear();
void rust_set(size_t set, int64_t resource, int64_t parts);
void rust_add();       // 1 to 0
void rust_subtract();  // 1 from 0
int64_t rust_get(size_t set, int64_t resource);
size_t rust_size(size_t set);
bool rust_is_at_most();
// A node, whose demand is set 1.
void rust_node_clear();
void rust_node_push(int64_t resource, size_t instance, int64_t parts);
bool rust_node_allocate();
int64_t rust_node_get(int64_t resource, size_t instance);
}

namespace ray {
namespace {

static_assert(sizeof(FixedPoint) == sizeof(int64_t));

int64_t Raw(FixedPoint amount) { return reinterpret_cast<const int64_t &>(amount); }
FixedPoint FromRaw(int64_t parts) { return reinterpret_cast<const FixedPoint &>(parts); }

TEST(SchedulingBorderTest, AmountsAgree) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 200000; i++) {
    const uint64_t bits = random();
    double any;
    std::memcpy(&any, &bits, sizeof(any));
    const double usual = static_cast<double>(static_cast<int64_t>(bits) >> 30) / 1000;
    for (const double units : {any, usual}) {
      ASSERT_EQ(Raw(FixedPoint(units)), rust_amount(units)) << units;
    }
    const auto left = static_cast<int64_t>(bits), right = static_cast<int64_t>(random());
    ASSERT_EQ(Raw(FixedPoint(left)), rust_amount_of_units(left));
    ASSERT_EQ(Raw(FromRaw(left) + FromRaw(right)), rust_plus(left, right));
    ASSERT_EQ(Raw(FromRaw(left) - FromRaw(right)), rust_minus(left, right));
    ASSERT_EQ(FromRaw(left).Double(), rust_units(left));
  }
}

TEST(SchedulingBorderTest, SetsAgree) {
  std::mt19937 random(2);
  const auto resource = [](int64_t number) {
    return number < 4 ? ResourceID(number) : ResourceID("border_" + std::to_string(number));
  };
  for (int round = 0; round < 5000; round++) {
    rust_clear();
    ResourceSet sets[2];
    for (size_t side = 0; side < 2; side++) {
      for (unsigned count = random() % 10; count > 0; count--) {
        const ResourceID id = resource(random() % 12);
        const FixedPoint amount = (static_cast<int>(random() % 9) - 4) * 0.25;
        sets[side].Set(id, amount);
        rust_set(side, id.ToInt(), Raw(amount));
      }
    }
    ASSERT_EQ(sets[0] <= sets[1], rust_is_at_most());
    if (round % 2 == 0) {
      sets[0] += sets[1];
      rust_add();
    } else {
      sets[0] -= sets[1];
      rust_subtract();
    }
    ASSERT_EQ(sets[0].Size(), rust_size(0));
    for (int64_t number = 0; number < 12; number++) {
      ASSERT_EQ(Raw(sets[0].Get(resource(number))), rust_get(0, resource(number).ToInt()));
    }
  }
}

TEST(SchedulingBorderTest, AllocationsAgree) {
  std::mt19937 random(3);
  const ResourceID resources[] = {ResourceID::CPU(),
                                  ResourceID::GPU(),
                                  ResourceID("GPU_group_ab"),
                                  ResourceID("GPU_group_0_ab"),
                                  ResourceID("GPU_group_1_ab"),
                                  ResourceID(std::string(kImplicitResourcePrefix) + "border")};
  int taken = 0;
  for (int round = 0; round < 3000; round++) {
    NodeResourceInstanceSet node;
    rust_node_clear();
    for (const ResourceID &id : resources) {
      if (random() % 4 == 0) {
        continue;
      }
      std::vector<FixedPoint> instances(
          id == ResourceID::CPU() || id.IsImplicitResource() ? 1 : 3);
      for (size_t i = 0; i < instances.size(); i++) {
        instances[i] = static_cast<int>(random() % 3) * 0.5;
        rust_node_push(id.ToInt(), i, Raw(instances[i]));
      }
      node.Set(id, instances);
    }
    for (int step = 0; step < 4; step++) {
      ResourceSet wanted;
      rust_clear();
      for (const ResourceID &id : resources) {
        if (random() % 3 == 0) {
          const FixedPoint amount = static_cast<int>(random() % 5) * 0.5;
          wanted.Set(id, amount);
          rust_set(1, id.ToInt(), Raw(amount));
        }
      }
      const bool done = node.TryAllocate(wanted).has_value();
      ASSERT_EQ(done, rust_node_allocate()) << wanted.DebugString();
      taken += done && !wanted.IsEmpty() ? 1 : 0;
      for (const ResourceID &id : resources) {
        for (size_t i = 0; i < node.Get(id).size(); i++) {
          ASSERT_EQ(Raw(node.Get(id)[i]), rust_node_get(id.ToInt(), i)) << id;
        }
      }
    }
  }
  EXPECT_GT(taken, 500);
}

}  // namespace
}  // namespace ray
