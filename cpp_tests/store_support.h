// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// A running store, and what it has told.

#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ray/object_manager/plasma/client.h"
#include "ray/object_manager/plasma/store_runner.h"
#include "test_support.h"

namespace plasma_tests {

using plasma::PlasmaClient;

/// Notes what the callbacks are told, and answers them.
class Told {
 public:
  void Note(const std::string &line) {
    const std::lock_guard<std::mutex> lock(mutex_);
    lines_.push_back(line);
    changed_.notify_all();
  }

  std::vector<std::string> Lines() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return lines_;
  }

  /// Whether a line comes soon.
  bool Comes(const std::string &line) {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] {
      return std::find(lines_.begin(), lines_.end(), line) != lines_.end();
    });
  }

  size_t Count(const std::string &line) const {
    const auto lines = Lines();
    return static_cast<size_t>(std::count(lines.begin(), lines.end(), line));
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
};

inline std::string Number(const ObjectID &id) {
  uint64_t number = 0;
  std::memcpy(&number, id.Data() + 3, sizeof(number));
  return std::to_string(number);
}

/// Where sockets lie: their paths have to be short, and Bazel's own directory for tests is deep.
inline std::string ForSockets() { return "/tmp"; }

/// A runner on a thread of its own.
class RunningStore {
 public:
  explicit RunningStore(int64_t memory = 8 * kMiB)
      : socket_(directory_.Path() + "/plasma_store"),
        runner_(socket_, memory, false, "/dev/shm", "/tmp") {
    thread_ = std::thread([this] {
      runner_.Start(
          [this] {
            told_.Note("spill");
            return on_spill_ && on_spill_();
          },
          [this] { told_.Note("full"); },
          [this](const ObjectInfo &info) {
            told_.Note("added " + Number(info.object_id) + " " + std::to_string(info.data_size) +
                       " " + std::to_string(info.metadata_size) + " " + info.owner_ip_address);
          },
          [this](const ObjectID &id) { told_.Note("deleted " + Number(id)); });
    });
  }

  ~RunningStore() { Stop(); }

  void Stop() {
    runner_.Stop();
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  std::shared_ptr<PlasmaClient> Connect(bool exit_on_failure = false) {
    auto client = std::make_shared<PlasmaClient>(exit_on_failure);
    EXPECT_TRUE(client->Connect(socket_).ok());
    return client;
  }

  size_t AvailableMemory() {
    std::promise<size_t> available;
    runner_.GetAvailableMemoryAsync([&](size_t bytes) { available.set_value(bytes); });
    return available.get_future().get();
  }

  plasma::PlasmaStoreRunner &Runner() { return runner_; }
  const std::string &Socket() const { return socket_; }
  Told &Events() { return told_; }
  /// To be set before a client connects.
  void OnSpill(std::function<bool()> on_spill) { on_spill_ = std::move(on_spill); }

 private:
  TemporaryDirectory directory_{ForSockets()};
  std::string socket_;
  Told told_;
  std::function<bool()> on_spill_;
  plasma::PlasmaStoreRunner runner_;
  std::thread thread_;
};

}  // namespace plasma_tests
