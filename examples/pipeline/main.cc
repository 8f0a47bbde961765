// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Three processes pass tensors of 10 MB: a source makes them, a stage doubles every number, a sink adds them up. Between two
// processes is a channel; nothing is copied but what a stage computes.
//
//   pipeline SOCKET        starts the three, over the store that listens there

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "ray/core_worker/experimental_mutable_object_manager.h"
#include "ray/object_manager/plasma/client.h"

namespace {

using ray::Buffer;
using ray::ObjectID;
using ray::RayObject;
using ray::Status;
using ray::experimental::MutableObjectManager;

constexpr std::int64_t kNumbers = 1250000;
constexpr std::int64_t kBytes = kNumbers * 8;
constexpr int kTensors = 50;
constexpr std::int64_t kBoundMs = 60000;

void Check(const Status &status) {
  if (!status.ok()) {
    std::cerr << status << std::endl;
    std::exit(1);
  }
}

/// A process's channels.
class Part {
 public:
  explicit Part(const std::string &socket)
      : client_(std::make_shared<plasma::PlasmaClient>()),
        manager_(std::make_shared<MutableObjectManager>()) {
    Check(client_->Connect(socket));
  }

  plasma::PlasmaClient &Client() { return *client_; }

  void Open(const ObjectID &id, bool reader) {
    std::unique_ptr<plasma::MutableObject> object;
    Check(client_->GetExperimentalMutableObject(id, &object));
    Check(manager_->RegisterChannel(id, std::move(object), reader));
  }

  /// Where the next value goes.
  std::uint64_t *Begin(const ObjectID &id) {
    std::shared_ptr<Buffer> buffer;
    Check(manager_->WriteAcquire(id, kBytes, nullptr, 0, /*num_readers=*/1, buffer, kBoundMs));
    return reinterpret_cast<std::uint64_t *>(buffer->Data());
  }

  void Send(const ObjectID &id) { Check(manager_->WriteRelease(id)); }

  /// The next value. It goes back to the channel with the result.
  std::shared_ptr<Buffer> Read(const ObjectID &id) {
    std::shared_ptr<RayObject> value;
    Check(manager_->ReadAcquire(id, value, kBoundMs));
    return value->GetData();
  }

  /// Waits until the last value has been given back, for a manager that goes closes its channels. The reader may have gone,
  /// too, when it had all.
  void Finish(const ObjectID &id) {
    std::shared_ptr<Buffer> buffer;
    const Status status = manager_->WriteAcquire(id, 0, nullptr, 0, 1, buffer, kBoundMs);
    if (!status.IsChannelError()) {
      Check(status);
    }
  }

 private:
  const std::shared_ptr<plasma::PlasmaClient> client_;
  const std::shared_ptr<MutableObjectManager> manager_;
};

const std::uint64_t *Numbers(const std::shared_ptr<Buffer> &value) {
  return reinterpret_cast<const std::uint64_t *>(value->Data());
}

void Source(Part &part, const ObjectID &output) {
  part.Open(output, /*reader=*/false);
  for (std::uint64_t tensor = 0; tensor < kTensors; tensor++) {
    std::uint64_t *numbers = part.Begin(output);
    std::iota(numbers, numbers + kNumbers, tensor);
    part.Send(output);
  }
  part.Finish(output);
}

void Double(Part &part, const ObjectID &input, const ObjectID &output) {
  part.Open(input, /*reader=*/true);
  part.Open(output, /*reader=*/false);
  for (int tensor = 0; tensor < kTensors; tensor++) {
    const auto value = part.Read(input);
    const std::uint64_t *from = Numbers(value);
    std::uint64_t *to = part.Begin(output);
    for (std::int64_t i = 0; i < kNumbers; i++) {
      to[i] = 2 * from[i];
    }
    part.Send(output);
  }
  part.Finish(output);
}

void Sink(Part &part, const ObjectID &input) {
  part.Open(input, /*reader=*/true);
  const auto started = std::chrono::steady_clock::now();
  for (std::uint64_t tensor = 0; tensor < kTensors; tensor++) {
    const auto value = part.Read(input);
    const std::uint64_t sum =
        std::accumulate(Numbers(value), Numbers(value) + kNumbers, std::uint64_t{0});
    if (sum != 2 * (tensor * kNumbers + kNumbers * (kNumbers - 1) / 2)) {
      std::cerr << "tensor " << tensor << " is wrong" << std::endl;
      std::exit(1);
    }
  }
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - started;
  std::cout << "C++: " << kTensors << " tensors of " << kBytes / 1000000 << " MB arrived whole, "
            << static_cast<int>(kBytes / 1e6 * kTensors / taken.count()) << " MB/s" << std::endl;
}

/// Makes two channels, which this process keeps, and starts the three others.
int Start(const char *program, const std::string &socket) {
  Part part(socket);
  const ObjectID channels[] = {ObjectID::FromRandom(), ObjectID::FromRandom()};
  for (const auto &id : channels) {
    std::shared_ptr<Buffer> data;
    Check(part.Client().CreateAndSpillIfNeeded(id,
                                               ray::rpc::Address(),
                                               /*is_mutable=*/true,
                                               kBytes,
                                               nullptr,
                                               0,
                                               &data,
                                               plasma::flatbuf::ObjectSource::CreatedByWorker));
    Check(part.Client().Seal(id));
  }
  const std::string first = channels[0].Hex();
  const std::string second = channels[1].Hex();
  const std::vector<std::vector<std::string>> parts = {
      {"source", "-", first}, {"double", first, second}, {"sink", second, "-"}};
  for (const auto &words : parts) {
    if (fork() == 0) {
      execl(program, program, socket.c_str(), words[0].c_str(), words[1].c_str(), words[2].c_str(),
            nullptr);
      _exit(1);
    }
  }
  bool is_well = true;
  for (size_t i = 0; i < parts.size(); i++) {
    int ended = 0;
    is_well = wait(&ended) > 0 && ended == 0 && is_well;
  }
  return is_well ? 0 : 1;
}

}  // namespace

int main(int argc, char **argv) {
  if (argc == 2) {
    return Start(argv[0], argv[1]);
  }
  if (argc != 5) {
    std::cerr << "pipeline SOCKET" << std::endl;
    return 2;
  }
  Part part(argv[1]);
  const std::string what = argv[2];
  const auto input = what == "source" ? ObjectID() : ObjectID::FromHex(argv[3]);
  const auto output = what == "sink" ? ObjectID() : ObjectID::FromHex(argv[4]);
  if (what == "source") {
    Source(part, output);
  } else if (what == "double") {
    Double(part, input, output);
  } else {
    Sink(part, input);
  }
  return 0;
}
