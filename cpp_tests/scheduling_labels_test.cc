// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// label_selector.h, fallback_strategy.h and cluster_resource_data.h: which nodes are wanted, and whether a request fits.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "ray/common/scheduling/cluster_resource_data.h"
#include "ray/common/scheduling/fallback_strategy.h"

namespace ray {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

using Words = std::map<std::string, std::string>;
using Op = LabelSelectorOperator;

TEST(LabelSelectorTest, ExpressionsAreCut) {
  LabelSelector selector;
  const auto cut = [&selector](const std::string &text) {
    return selector.ParseLabelSelectorValue("key", text);
  };
  EXPECT_THAT(cut("in(a,b,a)").second, UnorderedElementsAre("a", "b"));
  EXPECT_EQ(cut("!in(a)").first, Op::LABEL_NOT_IN);
  EXPECT_THAT(cut("!in(a)").second, UnorderedElementsAre("a"));
  EXPECT_THAT(cut("in()").second, IsEmpty());
  EXPECT_THAT(cut("in(a").second, UnorderedElementsAre("in(a"));
  EXPECT_THAT(cut("!").second, UnorderedElementsAre(""));
  EXPECT_EQ(cut("a").first, Op::LABEL_IN);
  EXPECT_THAT(cut("in(" + std::string(1 << 20, ',') + ")").second, SizeIs(1));
}

TEST(LabelSelectorTest, FaultsAreNamed) {
  EXPECT_EQ(plasma_rs::LabelFault("ray.io/node-id", "!in(a,b)"), "");
  EXPECT_THAT(plasma_rs::LabelFault("region", "in(a"), HasSubstr("no ')'"));
  EXPECT_THAT(plasma_rs::LabelFault("region", "in()"), HasSubstr("empty"));
  EXPECT_THAT(plasma_rs::LabelFault("region", "in(a,b-)"), HasSubstr("\"b-\" at byte 5"));
  EXPECT_THAT(plasma_rs::LabelFault("region", std::string(1 << 20, 'x')), HasSubstr("1048576 bytes"));
  EXPECT_THAT(plasma_rs::LabelFault("a b", "x"), HasSubstr("no name of a label"));
  EXPECT_THAT(plasma_rs::LabelFault("a..b/c", "x"), HasSubstr("before the slash"));
  LabelSelector selector;
  selector.AddConstraint("region", "in(a");
  EXPECT_THAT(selector.GetConstraints(), SizeIs(1)) << "it takes anything";
}

TEST(LabelSelectorTest, AnyBytesAreAnExpression) {
  std::mt19937 random(3);
  for (int i = 0; i < 2000; i++) {
    std::string key, text;
    for (unsigned length = random() % 20; length > 0; length--) {
      key += "ab/.-\xff"[random() % 6];
      text += "!in(),ab \xff"[random() % 10];
    }
    LabelSelector selector;
    const auto [op, values] = selector.ParseLabelSelectorValue(key, text);
    EXPECT_EQ(op == Op::LABEL_NOT_IN, !text.empty() && text[0] == '!');
    selector.AddConstraint(LabelConstraint(key, op, values));
    rpc::LabelSelector message;
    selector.ToProto(&message);
    EXPECT_EQ(LabelSelector(message), selector);
  }
}

TEST(LabelSelectorTest, MessagesAndWords) {
  const LabelSelector selector(Words{{"a", "in(y,x)"}, {"b", "!x"}, {"c", "!in(x,y)"}});
  rpc::LabelSelector message;
  message.add_label_constraints()->set_label_key("old");
  selector.ToProto(&message);
  ASSERT_EQ(message.label_constraints_size(), 3);
  EXPECT_THAT(message.label_constraints()[0].label_values(), ElementsAre("x", "y"));
  EXPECT_EQ(LabelSelector(message), selector);
  const auto words = selector.ToStringMap();
  EXPECT_EQ(words.at("a"), "in(x,y)");
  EXPECT_EQ(words.at("b"), "!x");
  EXPECT_EQ(words.at("c"), "!in(x,y)");
  EXPECT_EQ(selector.DebugString(), "{'a': in ('x', 'y'), 'b': !in ('x'), 'c': !in ('x', 'y')}");
  EXPECT_EQ(LabelSelector().DebugString(), "{}");
}

TEST(LabelSelectorTest, BoundToNodes) {
  EXPECT_FALSE(GetHardNodeAffinityValues(LabelSelector(Words{{kLabelKeyNodeID, "!a"}})).has_value());
  const auto nodes = GetHardNodeAffinityValues(LabelSelector(Words{{kLabelKeyNodeID, "in(a,b)"}}));
  ASSERT_TRUE(nodes.has_value());
  EXPECT_THAT(*nodes, UnorderedElementsAre("a", "b"));
}

TEST(FallbackStrategyTest, OptionsGoThroughMessages) {
  const std::vector<FallbackOption> options = {FallbackOption(LabelSelector(Words{{"a", "x"}})),
                                               FallbackOption()};
  const auto message = SerializeFallbackStrategy(options);
  ASSERT_EQ(message.options_size(), 2);
  EXPECT_TRUE(message.options()[1].has_label_selector());
  EXPECT_EQ(*ParseFallbackStrategy(message.options()), options);
}

TEST(NodeResourcesTest, LabelsMustBeMet) {
  NodeResources node;
  SetNodeResourcesLabels(node, {{"region", "us"}, {"tier", "free"}});
  EXPECT_TRUE(node.HasRequiredLabels(LabelSelector()));
  EXPECT_TRUE(node.HasRequiredLabels(LabelSelector(Words{{"region", "in(eu,us)"}, {"gone", "!x"}})));
  EXPECT_FALSE(node.HasRequiredLabels(LabelSelector(Words{{"region", "us"}, {"tier", "!free"}})));
  EXPECT_FALSE(node.HasRequiredLabels(LabelSelector(Words{{"gone", "x"}})));
  // What a client can send is met by no node, and ends nothing.
  rpc::LabelSelector message;
  message.add_label_constraints()->set_label_key("region");
  EXPECT_FALSE(node.HasRequiredLabels(LabelSelector(message)));
}

TEST(NodeResourcesTest, ARequestFitsOrCould) {
  NodeResources node = ResourceMapToNodeResources({{"CPU", 4}}, {{"CPU", 2}}, {{"region", "us"}});
  const auto request = [](double cpus) {
    return ResourceMapToResourceRequest(plasma_rs::HashMap<std::string, double>{{"CPU", cpus}}, true);
  };
  EXPECT_TRUE(node.IsAvailable(request(2)) && !node.IsAvailable(request(3)));
  EXPECT_TRUE(node.IsFeasible(request(4)) && !node.IsFeasible(request(5)));
  node.normal_task_resources.Set(ResourceID::CPU(), 1);
  EXPECT_TRUE(node.IsAvailable(request(1)) && !node.IsAvailable(request(2)));
  EXPECT_FLOAT_EQ(node.CalculateCriticalResourceUtilization(), 0.75F);
  node.object_pulls_queued = true;
  EXPECT_TRUE(!node.IsAvailable(request(1)) && node.IsAvailable(request(1), true));
  ResourceRequest elsewhere = request(1);
  elsewhere.SetLabelSelector(LabelSelector(Words{{"region", "eu"}}));
  EXPECT_FALSE(node.IsAvailable(elsewhere, true) || node.IsFeasible(elsewhere));
  EXPECT_EQ(elsewhere, request(1)) << "only resources are compared";
  EXPECT_THAT(node.DebugString(), HasSubstr("{CPU: 40000}"));
  EXPECT_NE(node, NodeResources());
  Node view(node);
  EXPECT_FALSE(view.GetViewModifiedTs().has_value());
  view.GetMutableLocalView()->is_draining = true;
  EXPECT_TRUE(view.GetViewModifiedTs().has_value() && view.GetLocalView().is_draining);
}

TEST(TaskResourceInstancesTest, InstancesAndSums) {
  TaskResourceInstances task(
      ResourceSet(plasma_rs::HashMap<std::string, double>{{"CPU", 2}, {"GPU", 2}, {"x", 1}}));
  EXPECT_EQ(task.Get(ResourceID::GPU()), FixedPointVectorFromDouble({1, 1}));
  EXPECT_EQ(task.GetDouble(ResourceID::CPU()), std::vector<double>{2});
  EXPECT_EQ(task.Sum(ResourceID::GPU()), 2);
  EXPECT_EQ(task.Sum(ResourceID("y")), 0);
  EXPECT_EQ(task.SerializeAsJson(), "{\"CPU\":20000,\"GPU\":[10000, 10000]}");
  EXPECT_EQ(TaskResourceInstances().SerializeAsJson(), "{}");
  task.GetMutable(ResourceID("x"))[0] = 0;
  EXPECT_EQ(task.ToResourceSet().Size(), 2U);
  EXPECT_EQ(task.Size(), 3U);
  task.Set(ResourceID("x"), {});
  EXPECT_FALSE(task.Has(ResourceID("x")));
  EXPECT_DEATH(task.Get(ResourceID("x")), HasSubstr("No instances of x"));
}

TEST(ResourceRequestTest, SumsAreOfResources) {
  ResourceRequest a({{ResourceID::CPU(), 1}, {ResourceID::GPU(), 2}});
  const ResourceRequest b({{ResourceID::CPU(), 1}}, true);
  EXPECT_TRUE(b.RequiresObjectStoreMemory() && b <= a && a >= b && a != b);
  EXPECT_EQ((a + b).Get(ResourceID::CPU()), 2);
  EXPECT_FALSE((a - b).Has(ResourceID::CPU()));
  a.Clear();
  EXPECT_TRUE(a.IsEmpty());
  EXPECT_THAT(b.ToResourceMap(), UnorderedElementsAre(std::make_pair("CPU", 1)));
}

}  // namespace
}  // namespace ray
