// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// A C++ program puts an object into a running store, and reads it back without a copy: client STORE_SOCKET

#include <cstring>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "ray/object_manager/plasma/client.h"

int main(int argc, char **argv) {
  if (argc != 2) {
    std::cerr << "usage: client STORE_SOCKET\n";
    return 2;
  }
  auto client = std::make_shared<plasma::PlasmaClient>();
  auto status = client->Connect(argv[1]);
  const auto id = ray::ObjectID::FromRandom();
  const std::string text = "hello from C++";
  std::shared_ptr<ray::Buffer> data;
  if (status.ok()) {
    // Waits for room if there is none. The memory is the store's: it is filled in place.
    status = client->CreateAndSpillIfNeeded(id, {}, false, static_cast<int64_t>(text.size()), nullptr, 0, &data,
                                            plasma::flatbuf::ObjectSource::CreatedByWorker);
  }
  if (status.ok()) {
    std::memcpy(data->Data(), text.data(), text.size());
    status = client->Seal(id);
  }
  if (status.ok()) {
    status = client->Release(id);
  }
  std::vector<plasma::ObjectBuffer> buffers;
  if (status.ok()) {
    status = client->Get({id}, /*timeout_ms=*/-1, &buffers);
  }
  if (!status.ok()) {
    std::cerr << status.ToString() << "\n";
    return 1;
  }
  const auto &read = *buffers[0].data;
  std::cout << std::string(reinterpret_cast<const char *>(read.Data()), read.Size()) << ": " << id.Hex() << "\n";
  return 0;
}
