// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// The stand-ins for Ray's base headers, which serve when the drop-in headers are used without Ray.

#include "ray/common/id.h"
#include "ray/common/ray_config.h"
#include "ray/object_manager/common.h"
#include "ray/stats/metric.h"
#include "ray/util/logging.h"
#include "test_support.h"

namespace {

using ray::ObjectInfo;
using ray::WorkerID;

TEST(ObjectInfoTest, SizeIsDataMetadataAndHeader) {
  ObjectInfo info = plasma_tests::Info(plasma_tests::Id(1), 10, 5);
  EXPECT_EQ(info.GetObjectSize(), 15);
  info.is_mutable = true;
  EXPECT_EQ(info.GetObjectSize(), 15 + 96);
}

TEST(ObjectInfoTest, IsEqualByWhatItsOwnerSays) {
  const ObjectInfo info = plasma_tests::Info(plasma_tests::Id(1), 10, 5);
  ObjectInfo other = info;
  EXPECT_EQ(info, other);
  other.data_size = 11;
  EXPECT_FALSE(info == other);
  other = info;
  other.owner_ip_address = "1.2.3.4";
  EXPECT_FALSE(info == other);
  other = info;
  other.owner_port = 1;
  EXPECT_FALSE(info == other);
  other = info;
  other.owner_worker_id = WorkerID::FromRandom();
  EXPECT_FALSE(info == other);
  other = info;
  other.is_mutable = true;
  EXPECT_EQ(info, other) << "as Ray has it";
}

TEST(HeaderTest, InitMakesAHeaderFresh) {
  ray::PlasmaObjectHeader header;
  header.Init();
  const std::string first = header.unique_name;
  header.version = 7;
  header.is_sealed = true;
  header.has_error = true;
  header.num_readers = 7;
  header.num_read_acquires_remaining = 7;
  header.num_read_releases_remaining = 7;
  header.data_size = 7;
  header.metadata_size = 7;
  header.Init();
  EXPECT_NE(first, header.unique_name);
  EXPECT_EQ(first.rfind(std::to_string(getpid()) + "-", 0), 0u);
  EXPECT_EQ(header.version, 0);
  EXPECT_FALSE(header.is_sealed);
  EXPECT_FALSE(header.has_error);
  EXPECT_EQ(header.num_readers, 0);
  EXPECT_EQ(header.num_read_acquires_remaining, 0u);
  EXPECT_EQ(header.num_read_releases_remaining, 0u);
  EXPECT_EQ(header.data_size, 0u);
  EXPECT_EQ(header.metadata_size, 0u);
}

TEST(LoggingTest, ChecksEndTheProcessWithTheirText) {
  const auto check = [](int value) { RAY_CHECK(value == 1) << "it is " << value; };
  check(1);
  EXPECT_DEATH(check(2), "Check failed: value == 1 it is 2");
  EXPECT_DEATH(RAY_LOG(FATAL) << "the end", "the end");
}

TEST(LoggingTest, WritesFromTheWarningLevelUpwards) {
  ::testing::internal::CaptureStderr();
  RAY_LOG(WARNING) << "a warning of " << 7;
  if (!RAY_LOG_ENABLED(INFO)) {
    RAY_LOG(INFO) << "not shown";
  }
  const std::string written = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(written.find("a warning of 7\n"), std::string::npos);
  EXPECT_NE(written.find("standalone_test.cc:"), std::string::npos);
  EXPECT_EQ(written.find("not shown"), std::string::npos);
}

TEST(MetricTest, GaugesKeepTheLastValueAndHistogramsCount) {
  ray::stats::Gauge gauge("a_gauge");
  ray::stats::Histogram histogram("a_histogram");
  EXPECT_EQ(gauge.GetName(), "a_gauge");
  gauge.Record(1, {{"Key", "value"}});
  gauge.Record(5, {{"Key", "value"}});
  gauge.Record(7);
  histogram.Record(100, {{"A", "b"}, {"C", "d"}});
  histogram.Record(200, {{"A", "b"}, {"C", "d"}});
  const auto recorded = ray::stats::RecordedMetrics();
  EXPECT_EQ(recorded.at("a_gauge{Key=value}"), 5);
  EXPECT_EQ(recorded.at("a_gauge{}"), 7);
  EXPECT_EQ(recorded.at("a_histogram{A=b,C=d}"), 2);
}

TEST(ConfigTest, HasRaysDefaults) {
  if (std::getenv("RAY_preallocate_plasma_memory") == nullptr) {
    EXPECT_FALSE(RayConfig::instance().preallocate_plasma_memory());
  }
  if (std::getenv("RAY_raylet_core_dump_exclude_plasma_store") == nullptr) {
    EXPECT_TRUE(RayConfig::instance().raylet_core_dump_exclude_plasma_store());
  }
}

}  // namespace
