// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// id.h: ids as values, what they are made of, and what is no id.

#include "ray/common/id.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <sstream>
#include <type_traits>
#include <unordered_set>

#include "plasma_rs/parse_id.h"
#include "test_support.h"

namespace ray {
namespace {

using testing::HasSubstr;

template <typename Id>
class EveryIdTest : public testing::Test {
 protected:
  static std::string Bytes() {
    std::string bytes;
    for (size_t i = 0; i < Id::Size(); i++) {
      bytes.push_back(static_cast<char>(9 * i));
    }
    return bytes;
  }
};

using EveryId = testing::Types<UniqueID,
                               JobID,
                               ActorID,
                               TaskID,
                               ObjectID,
                               PlacementGroupID,
                               LeaseID,
                               FunctionID,
                               ActorClassID,
                               WorkerID,
                               ConfigID,
                               NodeID,
                               ClusterID>;
TYPED_TEST_SUITE(EveryIdTest, EveryId, );

TYPED_TEST(EveryIdTest, IsAValueOfRaysSize) {
  EXPECT_EQ(sizeof(TypeParam), TypeParam::Size() + sizeof(size_t));
  EXPECT_EQ(alignof(TypeParam), 1u);
  EXPECT_TRUE(std::is_trivially_copyable_v<TypeParam>);
  EXPECT_TRUE(std::is_trivially_destructible_v<TypeParam>);
  const TypeParam id;
  EXPECT_EQ(reinterpret_cast<const char *>(id.Data()) - reinterpret_cast<const char *>(&id),
            static_cast<ptrdiff_t>(sizeof(size_t)));
}

TYPED_TEST(EveryIdTest, IsNilAtFirst) {
  EXPECT_TRUE(TypeParam().IsNil());
  EXPECT_TRUE(TypeParam::Nil().IsNil());
  EXPECT_TRUE(TypeParam::FromBinary("").IsNil());
  EXPECT_EQ(TypeParam().Binary(), std::string(TypeParam::Size(), '\xff'));
}

TYPED_TEST(EveryIdTest, DiffersInEveryByte) {
  const std::string nil(TypeParam::Size(), '\xff');
  for (size_t at = 0; at < nil.size(); at++) {
    std::string bytes = nil;
    bytes[at] ^= 1;
    const TypeParam id = TypeParam::FromBinary(bytes);
    EXPECT_FALSE(id.IsNil()) << at;
    EXPECT_FALSE(id == TypeParam::Nil()) << at;
    EXPECT_TRUE(id != TypeParam::Nil()) << at;
    EXPECT_TRUE(id == TypeParam::FromBinary(bytes)) << at;
    EXPECT_NE(id.Hash(), TypeParam::Nil().Hash()) << at;
  }
}

TYPED_TEST(EveryIdTest, KeepsItsBytes) {
  const std::string bytes = this->Bytes();
  const TypeParam id = TypeParam::FromBinary(bytes);
  EXPECT_EQ(id.Binary(), bytes);
  EXPECT_EQ(id.Hex().size(), 2 * TypeParam::Size());
  EXPECT_EQ(id.Hex().substr(0, 8), "0009121b");
  EXPECT_EQ(TypeParam::FromHex(id.Hex()), id);
  const TypeParam copy = id;
  EXPECT_EQ(copy, id);
}

#ifdef __GLIBCXX__
TYPED_TEST(EveryIdTest, HashesAsTheStandardLibraryDoesWithThisSeed) {
  const TypeParam id = TypeParam::FromBinary(this->Bytes());
  const size_t expected = std::_Hash_bytes(id.Data(), TypeParam::Size(), 0);
  EXPECT_EQ(id.Hash(), expected);
  EXPECT_EQ(id.Hash(), expected) << "the second time it is remembered";
  EXPECT_EQ(std::hash<TypeParam>()(id), expected);
  EXPECT_EQ(MurmurHash64A(id.Data(), TypeParam::Size(), 0), expected);
}
#endif

TYPED_TEST(EveryIdTest, OtherLengthsAreAMistake) {
  const std::string size = std::to_string(TypeParam::Size());
  EXPECT_DEATH(TypeParam::FromBinary("odd"),
               "expected size is " + size + ", but got data size is 3");
}

TYPED_TEST(EveryIdTest, OtherLengthsAreAnErrorWhereItIsChecked) {
  const std::string bytes = this->Bytes();
  const auto good = plasma_rs::IdFromBinary<TypeParam>(bytes);
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(good->Binary(), bytes);
  EXPECT_TRUE(plasma_rs::IdFromBinary<TypeParam>("").value().IsNil());
  for (const auto &wrong : {bytes + "x", bytes.substr(1), std::string(100000, 'x')}) {
    const auto bad = plasma_rs::IdFromBinary<TypeParam>(wrong);
    EXPECT_TRUE(bad.IsInvalidArgument());
    EXPECT_THAT(bad.message(), HasSubstr("data size is " + std::to_string(wrong.size())));
  }
}

TYPED_TEST(EveryIdTest, WhatIsNoTextOfAnIdIsNil) {
  const std::string digits(2 * TypeParam::Size(), '0');
  EXPECT_FALSE(TypeParam::FromHex(digits).IsNil());
  for (const auto &wrong : {digits + "0", digits.substr(1), std::string(), "0x" + digits}) {
    EXPECT_TRUE(TypeParam::FromHex(wrong).IsNil()) << wrong;
    const auto bad = plasma_rs::IdFromHex<TypeParam>(wrong);
    EXPECT_TRUE(bad.IsInvalidArgument());
    EXPECT_THAT(bad.message(), HasSubstr("got " + std::to_string(wrong.size()) + " char"));
  }
  for (const char odd : {'g', 'G', ' ', '\0', '\xff', '/', ':', '@', '`'}) {
    std::string wrong = digits;
    wrong[5] = odd;
    EXPECT_TRUE(TypeParam::FromHex(wrong).IsNil()) << odd;
    EXPECT_EQ(plasma_rs::IdFromHex<TypeParam>(wrong).message(),
              "incorrect hex character at position 5");
  }
  const std::string letters(2 * TypeParam::Size(), 'A');
  EXPECT_EQ(TypeParam::FromHex(letters).Binary(), std::string(TypeParam::Size(), '\xaa'));
  EXPECT_EQ(plasma_rs::IdFromHex<TypeParam>(letters)->Binary(), TypeParam::FromHex(letters).Binary());
}

TYPED_TEST(EveryIdTest, IsWrittenAsText) {
  const TypeParam id = TypeParam::FromBinary(this->Bytes());
  std::ostringstream out;
  out << id << " " << TypeParam::Nil();
  EXPECT_EQ(out.str(), id.Hex() + " NIL_ID");
}

TEST(IdTest, WhatIsNoTextOfAnIdIsLogged) {
  testing::internal::CaptureStderr();
  JobID::FromHex("0123456z");
  JobID::FromHex(std::string(100000, 'y'));
  const std::string logged = testing::internal::GetCapturedStderr();
  EXPECT_THAT(logged, HasSubstr("incorrect hex character at position 7, hex string: 0123456z\n"));
  EXPECT_THAT(logged, HasSubstr("expected 8 hexadecimal digits, but got 100000 characters"));
  EXPECT_LT(logged.size(), 1000u);
}

template <typename Id>
void ExpectRandom() {
  std::unordered_set<Id> ids;
  for (int i = 0; i < 1000; i++) {
    EXPECT_TRUE(ids.insert(Id::FromRandom()).second);
  }
  EXPECT_EQ(ids.count(Id::Nil()), 0u);
}

TEST(IdTest, RandomIdsDiffer) {
  ExpectRandom<UniqueID>();
  ExpectRandom<NodeID>();
  ExpectRandom<LeaseID>();
  ExpectRandom<ObjectID>();
  EXPECT_EQ(ObjectID::FromRandom().ObjectIndex(), 0u);
}

/// The bytes of random ids, more than are made at a time.
std::string DrawMany() {
  std::string drawn;
  for (int i = 0; i < 20; i++) {
    drawn += UniqueID::FromRandom().Binary();
  }
  return drawn;
}

/// What a fork of this process draws.
std::string DrawManyInFork() {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    const std::string drawn = DrawMany();
    _exit(write(ends[1], drawn.data(), drawn.size()) == static_cast<ssize_t>(drawn.size()) ? 0 : 1);
  }
  close(ends[1]);
  std::string drawn(20 * UniqueID::Size() + 1, '\0');
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  drawn.resize(static_cast<size_t>(read(ends[0], drawn.data(), drawn.size())));
  close(ends[0]);
  return drawn;
}

TEST(IdTest, ParentsAndChildrenDrawDifferentIds) {
  std::unordered_set<UniqueID> ids;
  for (const auto &draw : {DrawMany, DrawManyInFork, DrawManyInFork, DrawMany}) {
    const std::string drawn = draw();
    ASSERT_EQ(drawn.size(), 20 * UniqueID::Size());
    for (size_t at = 0; at < drawn.size(); at += UniqueID::Size()) {
      EXPECT_TRUE(ids.insert(UniqueID::FromBinary(drawn.substr(at, UniqueID::Size()))).second);
    }
  }
}

TEST(IdTest, IdsOfTwentyEightBytesAreKindsOfOne) {
  const UniqueID id = UniqueID::FromRandom();
  EXPECT_EQ(NodeID(id).Binary(), id.Binary());
  EXPECT_EQ(static_cast<const UniqueID &>(WorkerID(id)), id);
  EXPECT_EQ(kGCSNodeID.Binary(), std::string(28, '\0'));
}

TEST(JobIdTest, IsANumber) {
  EXPECT_EQ(JobID::FromInt(0x04030201).Hex(), "01020304");
  EXPECT_EQ(JobID::FromInt(199).ToInt(), 199u);
  EXPECT_EQ(JobID::Nil().ToInt(), UINT32_MAX);
  EXPECT_EQ(ComputeDriverIdFromJob(JobID::FromInt(1)).Hex(), "01000000" + std::string(48, 'f'));
}

class DerivedIdTest : public testing::Test {
 protected:
  const JobID job_ = JobID::FromInt(7);
  const TaskID driver_ = TaskID::ForDriverTask(job_);
  const ActorID actor_ = ActorID::Of(job_, driver_, 1);
};

TEST_F(DerivedIdTest, AnActorKnowsItsJob) {
  EXPECT_EQ(actor_.JobId(), job_);
  EXPECT_FALSE(actor_ == ActorID::Of(job_, driver_, 1)) << "a new one each time";
  EXPECT_EQ(ActorID::NilFromJob(job_).Hex(), std::string(24, 'f') + "07000000");
  EXPECT_EQ(ActorID::NilFromJob(job_).JobId(), job_);
  EXPECT_DEATH(ActorID::Nil().JobId(), "IsNil");
}

TEST_F(DerivedIdTest, ATaskKnowsItsActorAndJob) {
  const TaskID task = TaskID::ForActorTask(job_, driver_, 1, actor_);
  EXPECT_EQ(task.ActorId(), actor_);
  EXPECT_EQ(task.JobId(), job_);
  EXPECT_FALSE(task.IsForActorCreationTask());
  EXPECT_TRUE(TaskID::ForActorCreationTask(actor_).IsForActorCreationTask());
  EXPECT_TRUE(driver_.IsForActorCreationTask()) << "as Ray has it";
  EXPECT_FALSE(TaskID::Nil().IsForActorCreationTask());
  EXPECT_EQ(TaskID::FromRandom(job_).JobId(), job_);
  EXPECT_DEATH(TaskID::Nil().JobId(), "IsNil");
}

TEST_F(DerivedIdTest, TasksAreNamedAfterWhereAndAsWhatTheyAreSubmitted) {
  const TaskID task = TaskID::ForNormalTask(job_, driver_, 1);
  EXPECT_EQ(task, TaskID::ForNormalTask(job_, driver_, 1));
  EXPECT_NE(task, TaskID::ForNormalTask(job_, driver_, 2));
  EXPECT_NE(task, TaskID::ForNormalTask(job_, task, 1));
  EXPECT_NE(task, TaskID::ForNormalTask(JobID::FromInt(8), driver_, 1));
  EXPECT_EQ(task.ActorId(), ActorID::NilFromJob(job_));
  // The front of the SHA-256 sum of 4, 24 and 8 bytes.
  const TaskID parent = TaskID::FromBinary(std::string(24, '\7'));
  EXPECT_EQ(TaskID::ForNormalTask(JobID::FromInt(1), parent, 5).Hex().substr(0, 16),
            "bc07d170e313a6b3");
}

TEST_F(DerivedIdTest, AttemptsOfATaskDiffer) {
  const TaskID task = TaskID::FromHex("ff01000000000000" + std::string(32, '7'));
  EXPECT_EQ(TaskID::ForExecutionAttempt(task, 0).Hex().substr(0, 18), "000100000000000077");
  EXPECT_EQ(TaskID::ForExecutionAttempt(task, 256).Hex().substr(0, 18), "000200000000000077");
}

TEST_F(DerivedIdTest, AnObjectKnowsItsTaskAndIndex) {
  const TaskID task = TaskID::ForActorTask(job_, driver_, 1, actor_);
  for (const uint32_t index : {1u, 2u, 256u, UINT32_MAX}) {
    const ObjectID object = ObjectID::FromIndex(task, index);
    EXPECT_EQ(object.TaskId(), task);
    EXPECT_EQ(object.ObjectIndex(), index);
    EXPECT_EQ(ObjectID::ToActorID(object), actor_);
    EXPECT_FALSE(ObjectID::IsActorID(object));
  }
  EXPECT_EQ(ObjectID::MaxObjectIndex(), UINT32_MAX);
  EXPECT_DEATH(ObjectID::FromIndex(task, 0), "index=0");
}

TEST_F(DerivedIdTest, AnObjectMayStandForAnActor) {
  const ObjectID handle = ObjectID::ForActorHandle(actor_);
  EXPECT_TRUE(ObjectID::IsActorID(handle));
  EXPECT_EQ(ObjectID::ToActorID(handle), actor_);
  EXPECT_EQ(handle, ObjectID::FromIndex(TaskID::ForActorCreationTask(actor_), 1));
}

TEST_F(DerivedIdTest, ReferencesInMessagesNameObjects) {
  std::vector<rpc::ObjectReference> references(2);
  const ObjectID object = ObjectID::FromRandom();
  references[0].set_object_id(object.Binary());
  EXPECT_EQ(ObjectRefToId(references[0]), object);
  EXPECT_EQ(ObjectRefsToIds(references), (std::vector<ObjectID>{object, ObjectID::Nil()}));
}

TEST_F(DerivedIdTest, GroupsKnowTheirJobAndLeasesTheirWorker) {
  EXPECT_EQ(PlacementGroupID::Of(job_).JobId(), job_);
  EXPECT_NE(PlacementGroupID::Of(job_), PlacementGroupID::Of(job_));
  EXPECT_DEATH(PlacementGroupID::Nil().JobId(), "IsNil");
  const WorkerID worker = WorkerID::FromRandom();
  const LeaseID lease = LeaseID::FromWorker(worker, 0x04030201);
  EXPECT_EQ(lease.Hex(), "01020304" + worker.Hex());
  EXPECT_EQ(lease.WorkerId(), worker);
  EXPECT_EQ(TaskID::ComputeDriverTaskId(worker).Binary(), worker.Binary().substr(0, 24));
}

TEST(LogKeyTest, IdsAreFieldsOfLogLines) {
  testing::internal::CaptureStderr();
  RAY_LOG(WARNING).WithField(JobID::FromInt(1)).WithField("of", NodeID::Nil()) << "a line";
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("a line job_id=01000000 of=NIL_ID\n"));
}

}  // namespace
}  // namespace ray
