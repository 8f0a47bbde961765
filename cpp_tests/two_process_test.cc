// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// A second process, started anew, maps the descriptors that it is sent as Ray's clients do, and sees every byte
// of every object. What it writes back is seen here; what it spoils is its own.

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>

#include "ray/object_manager/plasma/obj_lifecycle_mgr.h"
#include "ray/object_manager/plasma/plasma_allocator.h"
#include "test_support.h"

namespace plasma {
namespace {

using flatbuf::PlasmaError;
using plasma_tests::Id;
using plasma_tests::Info;
using plasma_tests::kKiB;
using plasma_tests::kMiB;
using plasma_tests::SharedMemory;
using plasma_tests::TemporaryDirectory;

constexpr auto kWorker = flatbuf::ObjectSource::CreatedByWorker;
constexpr char kChildVariable[] = "PLASMA_TWO_PROCESS_TEST_SOCKET";

enum class Task : int32_t {
  /// Maps the file that comes with the request.
  kMap,
  /// Counts the bytes of an object that are not as they should be.
  kVerify,
  /// Writes the bytes of an object.
  kWrite,
  /// Writes rubbish over the whole of a mapping.
  kScribble,
  /// Tells whether a descriptor of this number is open.
  kIsOpen,
};

struct Request {
  Task task;
  int32_t descriptor;
  int64_t seed;
  PlasmaObject object;
};

/// The byte at a position of an object.
uint8_t ByteAt(int64_t seed, int64_t position) {
  uint64_t mixed = static_cast<uint64_t>(seed) * 0x9e3779b97f4a7c15u + position;
  mixed ^= mixed >> 29;
  mixed *= 0xbf58476d1ce4e5b9u;
  return static_cast<uint8_t>(mixed >> 56);
}

void Fill(uint8_t *bytes, int64_t size, int64_t seed) {
  for (int64_t i = 0; i < size; i++) {
    bytes[i] = ByteAt(seed, i);
  }
}

int64_t CountWrong(const uint8_t *bytes, int64_t size, int64_t seed) {
  int64_t wrong = 0;
  for (int64_t i = 0; i < size; i++) {
    wrong += bytes[i] != ByteAt(seed, i);
  }
  return wrong;
}

bool Send(int socket, const Request &request, int descriptor) {
  iovec bytes = {const_cast<Request *>(&request), sizeof(request)};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  if (descriptor >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
  }
  return sendmsg(socket, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof(request));
}

/// \return Whether there was a request; the descriptor is -1 when none came with it.
bool Receive(int socket, Request &request, int &descriptor) {
  iovec bytes = {&request, sizeof(request)};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  descriptor = -1;
  if (recvmsg(socket, &message, 0) != static_cast<ssize_t>(sizeof(request))) {
    return false;
  }
  if (const cmsghdr *header = CMSG_FIRSTHDR(&message)) {
    std::memcpy(&descriptor, CMSG_DATA(header), sizeof(int));
  }
  return true;
}

/// What runs in the second process.
class Child {
 public:
  explicit Child(int socket) : socket_(socket) {}

  void Run() {
    Request request;
    int descriptor = -1;
    while (Receive(socket_, request, descriptor)) {
      const int64_t answer = Do(request, descriptor);
      if (write(socket_, &answer, sizeof(answer)) != sizeof(answer)) {
        return;
      }
    }
  }

 private:
  int64_t Do(const Request &request, int descriptor) {
    const PlasmaObject &object = request.object;
    switch (request.task) {
    case Task::kMap: {
      const size_t length = object.mmap_size - kMmapRegionsGap;
      void *mapped =
          mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
      close(descriptor);
      if (mapped == MAP_FAILED) {
        return errno;
      }
      mappings_[object.store_fd.second] = {static_cast<uint8_t *>(mapped), length};
      return 0;
    }
    case Task::kVerify:
      return CountWrong(DataOf(object), object.allocated_size, request.seed);
    case Task::kWrite:
      Fill(DataOf(object), object.allocated_size, request.seed);
      return 0;
    case Task::kScribble: {
      const auto [base, length] = mappings_.at(object.store_fd.second);
      std::memset(base, static_cast<int>(request.seed), length);
      return 0;
    }
    case Task::kIsOpen:
      return fcntl(request.descriptor, F_GETFD) != -1;
    }
    return -1;
  }

  uint8_t *DataOf(const PlasmaObject &object) const {
    return mappings_.at(object.store_fd.second).first + object.data_offset;
  }

  const int socket_;
  std::map<int64_t, std::pair<uint8_t *, size_t>> mappings_;
};

/// In the second process, everything happens here, before main.
const bool kIsParent = [] {
  if (const char *socket = std::getenv(kChildVariable)) {
    Child(std::atoi(socket)).Run();
    _exit(0);
  }
  return true;
}();

struct TwoProcessTest : public ::testing::Test {
  TwoProcessTest() {
    int sockets[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
    socket_ = sockets[0];
    // Made before the fork, so that only exec is left to do after it.
    const std::string variable = std::string(kChildVariable) + "=" + std::to_string(sockets[1]);
    char *arguments[] = {const_cast<char *>("two_process_test_child"), nullptr};
    std::vector<char *> environment;
    for (char **entry = environ; *entry != nullptr; entry++) {
      environment.push_back(*entry);
    }
    environment.push_back(const_cast<char *>(variable.c_str()));
    environment.push_back(nullptr);
    child_ = fork();
    if (child_ == 0) {
      fcntl(sockets[1], F_SETFD, 0);
      execve("/proc/self/exe", arguments, environment.data());
      _exit(127);
    }
    close(sockets[1]);
  }

  ~TwoProcessTest() override {
    close(socket_);
    int status = -1;
    EXPECT_EQ(waitpid(child_, &status, 0), child_);
    EXPECT_EQ(status, 0);
  }

  int64_t Ask(Task task, const PlasmaObject &object, int64_t seed = 0, int descriptor = -1) {
    Request request;
    std::memset(static_cast<void *>(&request), 0, sizeof(request));
    request.task = task;
    request.seed = seed;
    request.descriptor = descriptor;
    request.object = object;
    int64_t answer = -1;
    EXPECT_TRUE(Send(socket_, request, task == Task::kMap ? descriptor : -1));
    EXPECT_EQ(read(socket_, &answer, sizeof(answer)), static_cast<ssize_t>(sizeof(answer)));
    return answer;
  }

  static PlasmaObject Describe(const LocalObject &object) {
    PlasmaObject description;
    std::memset(static_cast<void *>(&description), 0, sizeof(description));
    object.ToPlasmaObject(&description, /*check_sealed=*/false);
    return description;
  }

  void Map(const PlasmaObject &object) {
    if (mapped_.insert({object.store_fd.second, true}).second) {
      EXPECT_EQ(Ask(Task::kMap, object, 0, object.store_fd.first), 0);
    }
  }

  static uint8_t *DataOf(const LocalObject &object) {
    return static_cast<uint8_t *>(object.GetAllocation().address_) +
           (object.GetObjectInfo().is_mutable ? sizeof(ray::PlasmaObjectHeader) : 0);
  }

  int socket_ = -1;
  pid_t child_ = -1;
  std::map<int64_t, bool> mapped_;
  const TemporaryDirectory directory_;
};

TEST_F(TwoProcessTest, SeesEveryByteOfEveryObject) {
  // The region is no multiple of a page: a client maps the gap less than it is told, and no more.
  PlasmaAllocator allocator(SharedMemory(), directory_.Path(), false, 3 * kMiB + 4000);
  ObjectLifecycleManager manager(allocator, [](const ObjectID &) {});
  const std::vector<int64_t> sizes = {
      0, 1, 63, 64, 65, 4095, 4096, 4097, 100000, kMiB, 2 * kMiB - 200000, kMiB, 5 * kMiB + 1};
  int64_t on_disk = 0;
  for (size_t i = 0; i < sizes.size(); i++) {
    const bool is_mutable = i % 4 == 1;
    const auto [object, error] = manager.CreateObject(
        Info(Id(i), sizes[i], i % 3 == 0 ? 7 : 0, is_mutable), kWorker, true);
    ASSERT_EQ(error, PlasmaError::OK);
    manager.AddReference(Id(i));
    const PlasmaObject description = Describe(*object);
    on_disk += description.fallback_allocated;
    Fill(DataOf(*object), description.allocated_size, i);
    manager.SealObject(Id(i));
    Map(description);
  }
  EXPECT_EQ(on_disk, 2);
  EXPECT_EQ(mapped_.size(), 3u);
  for (size_t i = 0; i < sizes.size(); i++) {
    EXPECT_EQ(Ask(Task::kVerify, Describe(*manager.GetObject(Id(i))), i), 0) << i;
  }
}

TEST_F(TwoProcessTest, WhatItWritesIsSeenHere) {
  PlasmaAllocator allocator(SharedMemory(), directory_.Path(), false, kMiB);
  ObjectLifecycleManager manager(allocator, [](const ObjectID &) {});
  for (int i = 0; i < 5; i++) {
    const auto [object, error] =
        manager.CreateObject(Info(Id(i), 300 * kKiB, 0, i == 2), kWorker, true);
    ASSERT_EQ(error, PlasmaError::OK);
    manager.AddReference(Id(i));
    Map(Describe(*object));
    EXPECT_EQ(Ask(Task::kWrite, Describe(*object), 100 + i), 0);
  }
  for (int i = 0; i < 5; i++) {
    EXPECT_EQ(CountWrong(DataOf(*manager.GetObject(Id(i))), 300 * kKiB, 100 + i), 0) << i;
  }
  EXPECT_EQ(manager.GetObject(Id(2))->GetPlasmaObjectHeader()->version, 0);
}

TEST_F(TwoProcessTest, ObjectsThatComeLaterAreSeenInTheSameMapping) {
  PlasmaAllocator allocator(SharedMemory(), directory_.Path(), false, kMiB);
  int evicted = 0;
  ObjectLifecycleManager manager(allocator, [&evicted](const ObjectID &) { evicted++; });
  for (int i = 0; i < 40; i++) {
    const auto [object, error] =
        manager.CreateObject(Info(Id(i), 200 * kKiB), kWorker, false);
    ASSERT_EQ(error, PlasmaError::OK);
    Map(Describe(*object));
    Fill(DataOf(*object), 200 * kKiB, i);
    manager.SealObject(Id(i));
    EXPECT_EQ(Ask(Task::kVerify, Describe(*object), i), 0);
  }
  EXPECT_GE(evicted, 35);
  EXPECT_EQ(mapped_.size(), 1u);
}

TEST_F(TwoProcessTest, ObjectsInFreePiecesAreSeenInAnotherMapping) {
  PlasmaAllocator allocator(SharedMemory(), directory_.Path(), false, kMiB);
  ObjectLifecycleManager manager(allocator, [](const ObjectID &) {});
  auto create = [&](int i, int64_t size) {
    const auto [object, error] = manager.CreateObject(Info(Id(i), size), kWorker, false);
    ASSERT_EQ(error, PlasmaError::OK) << i;
    manager.AddReference(Id(i));
    Map(Describe(*object));
    Fill(DataOf(*object), size, i);
    manager.SealObject(Id(i));
  };
  for (int i = 0; i < 16; i++) {
    ASSERT_NO_FATAL_FAILURE(create(i, 64 * kKiB));
  }
  for (int i = 0; i < 16; i += 2) {
    manager.RemoveReference(Id(i));
    ASSERT_EQ(manager.DeleteObject(Id(i)), PlasmaError::OK);
  }
  ASSERT_NO_FATAL_FAILURE(create(20, 300 * kKiB));
  ASSERT_NO_FATAL_FAILURE(create(21, 200 * kKiB));
  EXPECT_EQ(mapped_.size(), 2u);
  EXPECT_EQ(allocator.FallbackAllocated(), 0);
  for (const int i : {1, 3, 5, 7, 9, 11, 13, 15, 20, 21}) {
    EXPECT_EQ(Ask(Task::kVerify, Describe(*manager.GetObject(Id(i))), i), 0) << i;
  }
}

TEST_F(TwoProcessTest, RubbishOverTheWholeMappingLeavesTheStoreWhole) {
  PlasmaAllocator allocator(SharedMemory(), directory_.Path(), false, kMiB);
  ObjectLifecycleManager manager(allocator, [](const ObjectID &) {});
  for (int i = 0; i < 100; i++) {
    ASSERT_EQ(manager.CreateObject(Info(Id(i), 10 * kKiB), kWorker, false).second,
              PlasmaError::OK);
    manager.SealObject(Id(i));
  }
  const PlasmaObject first = Describe(*manager.GetObject(Id(0)));
  Map(first);
  for (int round = 0; round < 10; round++) {
    EXPECT_EQ(Ask(Task::kScribble, first, 255 - round), 0);
    for (int i = round; i < 100; i += 10) {
      EXPECT_EQ(manager.DeleteObject(Id(i)), PlasmaError::OK);
    }
    EXPECT_EQ(Ask(Task::kScribble, first, round), 0);
  }
  EXPECT_EQ(allocator.Allocated(), 0);
  Allocation whole = allocator.Allocate(kMiB).value();
  allocator.Free(std::move(whole));
}

TEST_F(TwoProcessTest, AMappingOutlivesTheFileAndItsAllocator) {
  PlasmaObject primary;
  PlasmaObject fallback;
  {
    PlasmaAllocator allocator(SharedMemory(), directory_.Path(), false, kMiB);
    ObjectLifecycleManager manager(allocator, [](const ObjectID &) {});
    for (const int i : {0, 1}) {
      const LocalObject *object =
          manager.CreateObject(Info(Id(i), kMiB - 64), kWorker, true).first;
      manager.AddReference(Id(i));
      Fill(DataOf(*object), kMiB - 64, i);
      manager.SealObject(Id(i));
      (i == 0 ? primary : fallback) = Describe(*object);
      Map(Describe(*object));
    }
    ASSERT_TRUE(fallback.fallback_allocated);
    manager.RemoveReference(Id(1));
    EXPECT_EQ(manager.DeleteObject(Id(1)), PlasmaError::OK);
    EXPECT_EQ(Ask(Task::kVerify, fallback, 1), 0) << "the client maps it still";
  }
  EXPECT_EQ(Ask(Task::kVerify, primary, 0), 0);
}

TEST(InheritanceTest, AProcessThatIsStartedInheritsNoDescriptor) {
  const TemporaryDirectory directory;
  PlasmaAllocator allocator(SharedMemory(), directory.Path(), false, kMiB);
  Allocation primary = allocator.Allocate(kMiB).value();
  Allocation fallback = allocator.FallbackAllocate(kMiB).value();
  struct AndItsChild : public TwoProcessTest {
    void TestBody() override {}
  };
  {
    AndItsChild child;
    for (const Allocation *allocation : {&primary, &fallback}) {
      EXPECT_NE(fcntl(allocation->fd_.first, F_GETFD), -1);
      EXPECT_EQ(child.Ask(Task::kIsOpen, PlasmaObject(), 0, allocation->fd_.first), 0);
    }
    EXPECT_EQ(child.Ask(Task::kIsOpen, PlasmaObject(), 0, 2), 1) << "standard error";
  }
  allocator.Free(std::move(primary));
  allocator.Free(std::move(fallback));
}

}  // namespace
}  // namespace plasma
