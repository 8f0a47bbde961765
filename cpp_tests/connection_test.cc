// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Connections, descriptors that travel over them, and files that clients map.

#include "ray/object_manager/plasma/connection.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sstream>

#include "connection_support.h"
#include "ray/object_manager/plasma/fling.h"
#include "ray/object_manager/plasma/malloc.h"
#include "ray/object_manager/plasma/plasma_generated.h"
#include "ray/object_manager/plasma/shared_memory.h"
#include "test_support.h"

namespace plasma {
namespace {

using flatbuf::MessageType;
using plasma_tests::Connected;
using plasma_tests::Fd;
using plasma_tests::Id;

int MemoryFile(int64_t size) {
  const int fd = memfd_create("connection_test", MFD_CLOEXEC);
  EXPECT_EQ(ftruncate(fd, size), 0);
  return fd;
}

bool SameFile(int left, int right) {
  struct stat a = {};
  struct stat b = {};
  return fstat(left, &a) == 0 && fstat(right, &b) == 0 && a.st_ino == b.st_ino;
}

TEST(FlingTest, ADescriptorTravels) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
  const int file = MemoryFile(4096);
  EXPECT_EQ(send_fd(ends[0], file), 1);
  const int received = recv_fd(ends[1]);
  EXPECT_NE(received, file);
  EXPECT_TRUE(SameFile(received, file));
  EXPECT_EQ(fcntl(received, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  char rest = 0;
  EXPECT_EQ(read(ends[1], &rest, 1), -1) << "it came with one byte";
  close(received);
  close(file);
  close(ends[0]);
  EXPECT_EQ(recv_fd(ends[1]), -1);
  EXPECT_LE(send_fd(ends[1], ends[1]), 0);
  close(ends[1]);
  EXPECT_LE(send_fd(-1, 0), 0);
  EXPECT_EQ(recv_fd(-1), -1);
}

TEST(ClientMmapTableEntryTest, MapsAndClosesTheDescriptor) {
  const int file = MemoryFile(8192);
  const int kept = dup(file);
  {
    const ClientMmapTableEntry entry({file, 7}, 8192 + kMmapRegionsGap);
    EXPECT_EQ(entry.fd(), Fd(file, 7));
    EXPECT_EQ(fcntl(file, F_GETFD), -1) << "closed";
    entry.pointer()[8191] = 42;
  }
  uint8_t byte = 0;
  EXPECT_EQ(pread(kept, &byte, 1, 8191), 1);
  EXPECT_EQ(byte, 42);
  close(kept);
}

TEST(ClientMmapTableEntryDeathTest, AFileThatIsTooShortIsRefused) {
  EXPECT_DEATH(ClientMmapTableEntry({MemoryFile(4096), 1}, 8192 + kMmapRegionsGap), "mmap failed");
  EXPECT_DEATH(ClientMmapTableEntry({-1, 1}, 8192 + kMmapRegionsGap), "mmap failed");
  EXPECT_DEATH(ClientMmapTableEntry({MemoryFile(4096), 1}, 4), "a mapping of 4 bytes");
}

TEST(ClientTest, ADescriptorIsSentOnce) {
  Connected connected;
  const int file = MemoryFile(4096);
  EXPECT_TRUE(connected.client->SendFd({file, 1}).ok());
  EXPECT_TRUE(connected.client->SendFd({file, 1}).ok());
  EXPECT_TRUE(connected.client->SendFd({file, 2}).ok());
  for (int i = 0; i < 2; i++) {
    int received = -1;
    ASSERT_TRUE(connected.store->RecvFd(&received).ok());
    EXPECT_TRUE(SameFile(received, file));
    close(received);
  }
  close(file);
  connected.client->Close();
  int none = 0;
  EXPECT_TRUE(connected.store->RecvFd(&none).IsIOError()) << "there were two";
  EXPECT_FALSE(connected.client->SendFd({0, 3}).ok());
}

TEST(ClientTest, TheLastObjectInAFileGivesItUp) {
  Connected connected;
  auto &client = *connected.client;
  const int file = MemoryFile(4096);
  const Fd own(file, 1);
  EXPECT_TRUE(client.SendFd(own).ok());
  client.MarkObjectAsUsed(Id(1), own);
  client.MarkObjectAsUsed(Id(1), own);
  client.MarkObjectAsUsed(Id(2), own);
  client.MarkObjectAsUsed(Id(3), std::nullopt);
  EXPECT_EQ(client.GetObjectIDs(), (std::unordered_set<ObjectID>{Id(1), Id(2), Id(3)}));
  EXPECT_FALSE(client.MarkObjectAsUnused(Id(1)));
  EXPECT_FALSE(client.MarkObjectAsUnused(Id(1)));
  EXPECT_FALSE(client.MarkObjectAsUnused(Id(3)));
  EXPECT_TRUE(client.MarkObjectAsUnused(Id(2)));
  EXPECT_TRUE(client.GetObjectIDs().empty());
  EXPECT_TRUE(client.SendFd(own).ok()) << "again, for the client unmaps it";
  for (int i = 0; i < 2; i++) {
    int received = -1;
    ASSERT_TRUE(connected.store->RecvFd(&received).ok());
    close(received);
  }
  close(file);
}

TEST(ClientDeathTest, AnObjectDoesNotMoveToAnotherFile) {
  Connected connected;
  connected.client->MarkObjectAsUsed(Id(1), Fd(5, 1));
  connected.client->MarkObjectAsUsed(Id(2), std::nullopt);
  EXPECT_DEATH(connected.client->MarkObjectAsUsed(Id(1), Fd(5, 2)), "another file");
  EXPECT_DEATH(connected.client->MarkObjectAsUsed(Id(1), std::nullopt), "another file");
  EXPECT_DEATH(connected.client->MarkObjectAsUsed(Id(2), Fd(5, 1)), "another file");
}

TEST(ClientTest, MessagesAreServedUntilOneFails) {
  Connected connected;
  std::vector<int64_t> types;
  connected.on_message = [&](const auto &from, MessageType type, const auto &message) {
    EXPECT_EQ(from, connected.client);
    EXPECT_EQ(message, (std::vector<uint8_t>{1, 2, 3}));
    types.push_back(static_cast<int64_t>(type));
    return type == MessageType::PlasmaSealRequest ? ray::Status::Invalid("enough")
                                                  : ray::Status::OK();
  };
  const uint8_t body[] = {1, 2, 3};
  for (const auto type : {MessageType::PlasmaGetRequest,
                          MessageType::PlasmaSealRequest,
                          MessageType::PlasmaGetRequest}) {
    EXPECT_TRUE(connected.store->WriteMessage(static_cast<int64_t>(type), 3, body).ok());
  }
  connected.client->ProcessMessages();
  connected.io_context.run_for(std::chrono::seconds(1));
  EXPECT_EQ(types, (std::vector<int64_t>{8, 6}));
  std::vector<uint8_t> answer;
  EXPECT_FALSE(connected.store->ReadMessage(1, &answer).ok()) << "closed";
  EXPECT_EQ(connected.broken, 0);
}

TEST(ClientTest, ABrokenConnectionIsTold) {
  Connected connected;
  connected.client->ProcessMessages();
  connected.store.reset();
  connected.io_context.run_for(std::chrono::seconds(1));
  EXPECT_EQ(connected.broken, 1);
}

TEST(ConnectionTest, TheDescriptorIsTheName) {
  Connected connected;
  std::ostringstream names;
  names << connected.client << " " << connected.store;
  EXPECT_EQ(names.str(),
            std::to_string(connected.client->GetNativeHandle()) + " " +
                std::to_string(connected.store->GetNativeHandle()));
}

TEST(StoreConnDeathTest, ABrokenConnectionEndsTheProcessIfWanted) {
  Connected connected;
  StoreConn exits(connected.Socket(dup(connected.store->GetNativeHandle())), true);
  connected.client->Close();
  uint8_t byte = 0;
  EXPECT_FALSE(connected.store->ReadBuffer({boost::asio::buffer(&byte, 1)}).ok());
  EXPECT_EXIT(static_cast<void>(exits.ReadBuffer({boost::asio::buffer(&byte, 1)})),
              testing::ExitedWithCode(1),
              "the connection to the plasma store is broken");
}

}  // namespace
}  // namespace plasma
