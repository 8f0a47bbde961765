// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Every message from one end to the other, errors as statuses, and messages that make no sense.

#include "ray/object_manager/plasma/protocol.h"

#include <random>

#include "connection_support.h"
#include "test_support.h"

namespace plasma {
namespace {

using plasma_tests::Connected;
using plasma_tests::Fd;
using plasma_tests::Id;

class ProtocolTest : public testing::Test {
 protected:
  /// The body of the message that the store's end gets.
  std::vector<uint8_t> Request(MessageType type) { return Body(*connected_.client, type); }
  /// The body of the message that the client's end gets.
  std::vector<uint8_t> Reply(MessageType type) {
    std::vector<uint8_t> body;
    EXPECT_TRUE(PlasmaReceive(connected_.store, type, &body).ok());
    return body;
  }

  static std::vector<uint8_t> Body(ray::ServerConnection &connection, MessageType type) {
    std::vector<uint8_t> body;
    EXPECT_TRUE(connection.ReadMessage(static_cast<int64_t>(type), &body).ok());
    return body;
  }

  static PlasmaObject Object() {
    PlasmaObject object = {};
    object.store_fd = {5, 6};
    object.header_offset = 64;
    object.data_offset = 160;
    object.metadata_offset = 170;
    object.data_size = 10;
    object.metadata_size = 3;
    object.allocated_size = 13;
    object.mmap_size = 4104;
    object.fallback_allocated = true;
    object.is_experimental_mutable_object = true;
    return object;
  }

  static void ExpectSame(const PlasmaObject &left, const PlasmaObject &right) {
    EXPECT_EQ(left.store_fd, right.store_fd);
    EXPECT_EQ(left.header_offset, right.header_offset);
    EXPECT_EQ(left.data_offset, right.data_offset);
    EXPECT_EQ(left.metadata_offset, right.metadata_offset);
    EXPECT_EQ(left.data_size, right.data_size);
    EXPECT_EQ(left.metadata_size, right.metadata_size);
    EXPECT_EQ(left.allocated_size, right.allocated_size);
    EXPECT_EQ(left.device_num, right.device_num);
    EXPECT_EQ(left.fallback_allocated, right.fallback_allocated);
    EXPECT_EQ(left.is_experimental_mutable_object, right.is_experimental_mutable_object);
  }

  Connected connected_;
  ObjectID id_;
};

TEST_F(ProtocolTest, Creations) {
  ray::rpc::Address owner;
  owner.set_ip_address("10.0.0.7");
  owner.set_port(1234);
  owner.set_worker_id(WorkerID::FromRandom().Binary());
  ASSERT_TRUE(SendCreateRequest(connected_.store,
                                Id(1),
                                owner,
                                true,
                                int64_t{1} << 40,
                                7,
                                ObjectSource::RestoredFromStorage,
                                3,
                                true)
                  .ok());
  const auto body = Request(MessageType::PlasmaCreateRequest);
  ray::ObjectInfo info;
  ObjectSource source = ObjectSource::CreatedByWorker;
  int device = 0;
  ReadCreateRequest(body.data(), body.size(), &info, &source, &device);
  EXPECT_EQ(info.object_id, Id(1));
  EXPECT_TRUE(info.is_mutable);
  EXPECT_EQ(info.data_size, int64_t{1} << 40);
  EXPECT_EQ(info.metadata_size, 7);
  EXPECT_TRUE(info.owner_node_id.IsNil());
  EXPECT_EQ(info.owner_ip_address, "10.0.0.7");
  EXPECT_EQ(info.owner_port, 1234);
  EXPECT_EQ(info.owner_worker_id.Binary(), owner.worker_id());
  EXPECT_EQ(source, ObjectSource::RestoredFromStorage);
  EXPECT_EQ(device, 3);
}

TEST_F(ProtocolTest, AnOwnerWithoutAnIdIsRefused) {
  ray::rpc::Address owner;
  owner.set_node_id("short");
  EXPECT_TRUE(SendCreateRequest(
                  connected_.store, Id(1), owner, false, 1, 0, ObjectSource::CreatedByWorker, 0, false)
                  .IsInvalid());
}

TEST_F(ProtocolTest, RepliesToCreations) {
  uint64_t retry = 0;
  PlasmaObject object = {};
  Fd store_fd(-1, -1);
  int64_t mmap_size = 0;
  const auto read = [&] {
    auto body = Reply(MessageType::PlasmaCreateReply);
    return ReadCreateReply(
        body.data(), body.size(), &id_, &retry, &object, &store_fd, &mmap_size);
  };
  ASSERT_TRUE(SendCreateReply(connected_.client, Id(1), Object(), PlasmaError::OK).ok());
  EXPECT_TRUE(read().ok());
  EXPECT_EQ(id_, Id(1));
  EXPECT_EQ(retry, 0u);
  ExpectSame(object, Object());
  EXPECT_EQ(store_fd, Fd(5, 6));
  EXPECT_EQ(mmap_size, 4104);

  ASSERT_TRUE(SendUnfinishedCreateReply(connected_.client, Id(2), 77).ok());
  EXPECT_TRUE(read().ok());
  EXPECT_EQ(id_, Id(2));
  EXPECT_EQ(retry, 77u);
  ExpectSame(object, Object());

  using Is = bool (Status::*)() const;
  const std::pair<PlasmaError, Is> statuses[] = {
      {PlasmaError::ObjectExists, &Status::IsObjectExists},
      {PlasmaError::ObjectNonexistent, &Status::IsObjectNotFound},
      {PlasmaError::OutOfMemory, &Status::IsObjectStoreFull},
      {PlasmaError::ObjectNotSealed, &Status::IsUnknownError},
      {PlasmaError::UnexpectedError, &Status::IsUnknownError},
      {PlasmaError::ObjectSealed, &Status::IsObjectAlreadySealed},
      {PlasmaError::OutOfDisk, &Status::IsOutOfDisk}};
  for (const auto &[error, is] : statuses) {
    ASSERT_TRUE(SendCreateReply(connected_.client, Id(1), {}, error).ok());
    EXPECT_TRUE((read().*is)()) << static_cast<int>(error);
    EXPECT_EQ(retry, 0u);
  }
  ASSERT_TRUE(SendCreateRetryRequest(connected_.store, Id(2), 77).ok());
  EXPECT_FALSE(Request(MessageType::PlasmaCreateRetryRequest).empty());
}

TEST_F(ProtocolTest, AbortSealContains) {
  ASSERT_TRUE(SendAbortRequest(connected_.store, Id(1)).ok());
  auto body = Request(MessageType::PlasmaAbortRequest);
  ReadAbortRequest(body.data(), body.size(), &id_);
  EXPECT_EQ(id_, Id(1));
  ASSERT_TRUE(SendAbortReply(connected_.client, Id(2)).ok());
  body = Reply(MessageType::PlasmaAbortReply);
  ReadAbortReply(body.data(), body.size(), &id_);
  EXPECT_EQ(id_, Id(2));

  ASSERT_TRUE(SendSealRequest(connected_.store, Id(3)).ok());
  body = Request(MessageType::PlasmaSealRequest);
  ReadSealRequest(body.data(), body.size(), &id_);
  EXPECT_EQ(id_, Id(3));
  ASSERT_TRUE(SendSealReply(connected_.client, Id(4), PlasmaError::OK).ok());
  body = Reply(MessageType::PlasmaSealReply);
  EXPECT_TRUE(ReadSealReply(body.data(), body.size(), &id_).ok());
  EXPECT_EQ(id_, Id(4));
  ASSERT_TRUE(SendSealReply(connected_.client, Id(4), PlasmaError::ObjectNonexistent).ok());
  body = Reply(MessageType::PlasmaSealReply);
  EXPECT_TRUE(ReadSealReply(body.data(), body.size(), &id_).IsObjectNotFound());

  ASSERT_TRUE(SendContainsRequest(connected_.store, Id(5)).ok());
  body = Request(MessageType::PlasmaContainsRequest);
  ReadContainsRequest(body.data(), body.size(), &id_);
  EXPECT_EQ(id_, Id(5));
  for (const bool has : {true, false}) {
    ASSERT_TRUE(SendContainsReply(connected_.client, Id(6), has).ok());
    body = Reply(MessageType::PlasmaContainsReply);
    bool has_object = !has;
    ReadContainsReply(body.data(), body.size(), &id_, &has_object);
    EXPECT_EQ(id_, Id(6));
    EXPECT_EQ(has_object, has);
  }
}

TEST_F(ProtocolTest, Releases) {
  for (const bool unmap : {true, false}) {
    ASSERT_TRUE(SendReleaseRequest(connected_.store, Id(1), unmap).ok());
    auto body = Request(MessageType::PlasmaReleaseRequest);
    bool read = !unmap;
    ReadReleaseRequest(body.data(), body.size(), &id_, &read);
    EXPECT_EQ(read, unmap);
    ASSERT_TRUE(SendReleaseReply(connected_.client, Id(2), unmap, PlasmaError::OK).ok());
    body = Reply(MessageType::PlasmaReleaseReply);
    read = !unmap;
    EXPECT_TRUE(ReadReleaseReply(body.data(), body.size(), &id_, &read).ok());
    EXPECT_EQ(read, unmap);
    EXPECT_EQ(id_, Id(2));
  }
}

TEST_F(ProtocolTest, Gets) {
  const std::vector<ObjectID> ids{Id(1), Id(2), Id(1)};
  ASSERT_TRUE(SendGetRequest(connected_.store, ids.data(), 3, -1).ok());
  auto body = Request(MessageType::PlasmaGetRequest);
  std::vector<ObjectID> read;
  int64_t timeout = 0;
  ReadGetRequest(body.data(), body.size(), read, &timeout);
  EXPECT_EQ(read, ids);
  EXPECT_EQ(timeout, -1);

  plasma_rs::HashMap<ObjectID, PlasmaObject> objects;
  objects[Id(1)] = Object();
  objects[Id(2)].data_size = -1;
  auto asked = ids;
  ASSERT_TRUE(
      SendGetReply(connected_.client, asked.data(), objects, 3, {{5, 6}, {7, 8}}, {4104, 9000})
          .ok());
  body = Reply(MessageType::PlasmaGetReply);
  std::vector<ObjectID> got(3);
  std::vector<PlasmaObject> described(3);
  std::vector<Fd> fds;
  std::vector<int64_t> sizes;
  ReadGetReply(body.data(), body.size(), got.data(), described.data(), 3, fds, sizes);
  EXPECT_EQ(got, ids);
  ExpectSame(described[0], Object());
  EXPECT_EQ(described[1].data_size, -1);
  ExpectSame(described[2], Object());
  EXPECT_EQ(fds, (std::vector<Fd>{{5, 6}, {7, 8}}));
  EXPECT_EQ(sizes, (std::vector<int64_t>{4104, 9000}));
}

TEST_F(ProtocolTest, Deletions) {
  for (const size_t count : {0u, 1u, 1000u}) {
    std::vector<ObjectID> ids;
    std::vector<PlasmaError> errors;
    for (size_t i = 0; i < count; i++) {
      ids.push_back(Id(i));
      errors.push_back(static_cast<PlasmaError>(i % 9));
    }
    ASSERT_TRUE(SendDeleteRequest(connected_.store, ids).ok());
    auto body = Request(MessageType::PlasmaDeleteRequest);
    std::vector<ObjectID> read{Id(5)};
    ReadDeleteRequest(body.data(), body.size(), &read);
    EXPECT_EQ(read, ids);
    ASSERT_TRUE(SendDeleteReply(connected_.client, ids, errors).ok());
    body = Reply(MessageType::PlasmaDeleteReply);
    std::vector<PlasmaError> read_errors;
    ReadDeleteReply(body.data(), body.size(), &read, &read_errors);
    EXPECT_EQ(read, ids);
    EXPECT_EQ(read_errors, errors);
  }
}

TEST_F(ProtocolTest, ConnectAndDebugString) {
  ASSERT_TRUE(SendConnectRequest(connected_.store).ok());
  Request(MessageType::PlasmaConnectRequest);
  ASSERT_TRUE(SendConnectReply(connected_.client, 1000).ok());
  auto body = Reply(MessageType::PlasmaConnectReply);
  ReadConnectReply(body.data(), body.size());
  ASSERT_TRUE(SendGetDebugStringRequest(connected_.store).ok());
  Request(MessageType::PlasmaGetDebugStringRequest);
  for (const std::string &text : {std::string(), std::string("many\nlines"), std::string(70000, 'x')}) {
    ASSERT_TRUE(SendGetDebugStringReply(connected_.client, text).ok());
    body = Reply(MessageType::PlasmaGetDebugStringReply);
    std::string read = "before";
    EXPECT_TRUE(ReadGetDebugStringReply(body.data(), body.size(), &read).ok());
    EXPECT_EQ(read, text);
  }
}

TEST_F(ProtocolTest, WithoutAConnectionNothingIsSent) {
  EXPECT_TRUE(SendConnectRequest(nullptr).IsIOError());
  EXPECT_TRUE(SendConnectReply(nullptr, 1).IsIOError());
  std::vector<uint8_t> body;
  EXPECT_TRUE(PlasmaReceive(nullptr, MessageType::PlasmaGetReply, &body).IsIOError());
  ASSERT_TRUE(SendAbortReply(connected_.client, Id(1)).ok());
  EXPECT_TRUE(PlasmaReceive(connected_.store, MessageType::PlasmaGetReply, &body).IsIOError())
      << "another type";
}

TEST_F(ProtocolTest, RepliesThatMakeNoSenseAreErrors) {
  std::mt19937 random(7);
  for (int round = 0; round < 20000; round++) {
    std::vector<uint8_t> body(random() % 120);
    for (auto &byte : body) {
      byte = static_cast<uint8_t>(random() % 3 == 0 ? random() : random() % 8);
    }
    uint64_t retry = 0;
    PlasmaObject object = {};
    Fd store_fd;
    int64_t mmap_size = 0;
    bool unmap = false;
    std::string text;
    // Whatever they say of random bytes, they come back.
    static_cast<void>(ReadCreateReply(
        body.data(), body.size(), &id_, &retry, &object, &store_fd, &mmap_size));
    static_cast<void>(ReadSealReply(body.data(), body.size(), &id_));
    static_cast<void>(ReadReleaseReply(body.data(), body.size(), &id_, &unmap));
    static_cast<void>(ReadGetDebugStringReply(body.data(), body.size(), &text));
  }
  std::string text;
  EXPECT_TRUE(ReadGetDebugStringReply(nullptr, 0, &text).IsIOError());
}

using ProtocolDeathTest = ProtocolTest;

TEST_F(ProtocolDeathTest, WithoutAStatusTheProcessEndsWithTheReason) {
  std::vector<uint8_t> rubbish(20, 9);
  std::vector<ObjectID> ids;
  int64_t timeout = 0;
  EXPECT_DEATH(ReadAbortRequest(rubbish.data(), rubbish.size(), &id_),
               "Corrupted PlasmaAbortRequest message");
  EXPECT_DEATH(ReadGetRequest(rubbish.data(), rubbish.size(), ids, &timeout),
               "Corrupted PlasmaGetRequest message");
  EXPECT_DEATH(ReadConnectReply(nullptr, 0), "Corrupted PlasmaConnectReply message");
  EXPECT_DEATH(VerifyNotNullPtr<int>(nullptr, "name", MessageType::PlasmaGetReply),
               "Corrupted PlasmaGetReply message: name");

  ASSERT_TRUE(SendGetRequest(connected_.store, nullptr, 0, 5).ok());
  plasma_rs::HashMap<ObjectID, PlasmaObject> objects;
  ObjectID asked[] = {Id(1)};
  ASSERT_TRUE(SendGetReply(connected_.client, asked, objects, 1, {}, {}).ok());
  auto body = Reply(MessageType::PlasmaGetReply);
  std::vector<ObjectID> got(2);
  std::vector<PlasmaObject> described(2);
  std::vector<Fd> fds;
  std::vector<int64_t> sizes;
  EXPECT_DEATH(
      ReadGetReply(body.data(), body.size(), got.data(), described.data(), 2, fds, sizes),
      "another number of objects");
}

}  // namespace
}  // namespace plasma
