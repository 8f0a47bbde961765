// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "verifier.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <string>
#include <system_error>

#include "contents.h"
#include "ray/object_manager/plasma/malloc.h"
#include "ray/object_manager/plasma/plasma.h"

namespace demo {
namespace {

/// One message to the second process; a request for a report has an object without bytes and a null file.
struct Message {
  int64_t file;
  int64_t map_size;
  int64_t offset;
  int64_t size;
  uint64_t seed;
  bool fallback;
};

[[noreturn]] void Fail(const std::string &what) {
  throw std::system_error(errno, std::generic_category(), what);
}

/// Sends a message, and a descriptor with it unless that is -1.
void Send(int socket, const Message &message, int fd) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  iovec bytes{const_cast<Message *>(&message), sizeof(message)};
  msghdr header{};
  header.msg_iov = &bytes;
  header.msg_iovlen = 1;
  if (fd >= 0) {
    header.msg_control = control;
    header.msg_controllen = sizeof(control);
    cmsghdr *rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(rights), &fd, sizeof(int));
  }
  if (sendmsg(socket, &header, MSG_NOSIGNAL) != static_cast<ssize_t>(sizeof(message))) {
    Fail("sending to the second process");
  }
}

/// \return Whether there was a message; `fd` is -1 if none came with it.
bool Receive(int socket, Message *message, int *fd) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  iovec bytes{message, sizeof(*message)};
  msghdr header{};
  header.msg_iov = &bytes;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof(control);
  const ssize_t received = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  *fd = -1;
  if (cmsghdr *rights = received > 0 ? CMSG_FIRSTHDR(&header) : nullptr) {
    std::memcpy(fd, CMSG_DATA(rights), sizeof(int));
  }
  return received == static_cast<ssize_t>(sizeof(*message));
}

}  // namespace

Verifier::Verifier() {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
    Fail("socketpair");
  }
  const std::string theirs = std::to_string(sockets[1]);
  process_ = fork();
  if (process_ == 0) {
    fcntl(sockets[1], F_SETFD, 0);
    execl("/proc/self/exe", "demo", kVerifierRole, theirs.c_str(), nullptr);
    _exit(127);
  }
  close(sockets[1]);
  socket_ = sockets[0];
  if (process_ < 0) {
    Fail("fork");
  }
}

Verifier::~Verifier() {
  close(socket_);
  waitpid(process_, nullptr, 0);
}

void Verifier::Describe(const plasma::LocalObject &object, uint64_t seed) {
  plasma::PlasmaObject described;
  object.ToPlasmaObject(&described, /*check_sealed=*/true);
  const auto [fd, file] = described.store_fd;
  Message message{};
  message.file = file;
  message.map_size = described.mmap_size - plasma::kMmapRegionsGap;
  message.offset = described.data_offset;
  message.size = described.data_size + described.metadata_size;
  message.seed = seed;
  message.fallback = described.fallback_allocated;
  Send(socket_, message, sent_files_.insert(file).second ? fd : -1);
}

Report Verifier::Finish() {
  Send(socket_, Message{}, -1);
  Report report;
  if (recv(socket_, &report, sizeof(report), 0) != static_cast<ssize_t>(sizeof(report))) {
    Fail("the second process does not answer");
  }
  return report;
}

int RunVerifier(int socket) {
  std::map<int64_t, const uint8_t *> mappings;
  Report report{};
  Message message;
  int fd;
  while (Receive(socket, &message, &fd)) {
    if (fd >= 0) {
      void *base = mmap(
          nullptr, static_cast<size_t>(message.map_size), PROT_READ, MAP_SHARED, fd, 0);
      close(fd);
      if (base == MAP_FAILED) {
        return 1;
      }
      mappings[message.file] = static_cast<const uint8_t *>(base);
      report.mappings++;
    }
    if (message.file == 0) {
      send(socket, &report, sizeof(report), MSG_NOSIGNAL);
      report = Report{0, 0, 0, 0, report.mappings};
      continue;
    }
    const auto mapping = mappings.find(message.file);
    if (mapping == mappings.end() || message.offset + message.size > message.map_size) {
      return 1;
    }
    const auto size = static_cast<size_t>(message.size);
    report.objects++;
    report.fallback_objects += message.fallback;
    report.bytes += size;
    report.wrong_words += CountWrong(message.seed, mapping->second + message.offset, size);
  }
  return 0;
}

}  // namespace demo
