// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// The demonstration: a store process fills a region of shared memory, evicts, and falls back to disk, while
// a second process maps the descriptors that it is sent and verifies every byte. Written against Ray's
// headers; everything behind them is Rust. Ends with 0 only if all of it is as it should be.

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "costs.h"
#include "display.h"
#include "store.h"
#include "verifier.h"

namespace demo {
namespace {

constexpr int64_t kMebibyte = 1 << 20;
constexpr int64_t kLimit = 64 * kMebibyte;

/// A new directory, which goes when this does.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    const char *parent = std::getenv("TMPDIR");
    path_ = std::string(parent != nullptr ? parent : "/tmp") + "/plasma-demo-XXXXXX";
    Expect(mkdtemp(path_.data()) != nullptr, "there can be no temporary directory");
  }
  // Fallback files have no names, so there is nothing in it.
  ~TemporaryDirectory() { rmdir(path_.c_str()); }
  TemporaryDirectory(const TemporaryDirectory &) = delete;
  TemporaryDirectory &operator=(const TemporaryDirectory &) = delete;

  const std::string &path() const { return path_; }

 private:
  std::string path_;
};

std::string PlasmaDirectory() {
  const bool usable = access("/dev/shm", R_OK | W_OK | X_OK) == 0;
  return usable ? "/dev/shm" : "/tmp";
}

std::vector<Stage> RunStore(const std::string &plasma_directory,
                            const std::string &fallback_directory) {
  Verifier verifier;
  Store store(plasma_directory, fallback_directory, kLimit);
  std::vector<Stage> stages;
  const auto end_stage = [&](const char *name) {
    store.Verify(verifier);
    stages.push_back({name, store.events(), store.num_objects()});
  };

  store.FillUpTo(kLimit - 4 * kMebibyte);
  ShowOccupancy("The region, filled", store.allocator());
  end_stage("fill the region");

  store.Touch(10);
  store.Replace(24 * kMebibyte);
  ShowOccupancy("After others had to go, the oldest first", store.allocator());
  end_stage("evict under pressure");

  store.HoldAll();
  for (int i = 0; i < 8; i++) {
    store.Put(kLimit / 8, /*hold=*/true, /*allow_fallback=*/true);
  }
  end_stage("hold all, fall back to disk");

  store.DeleteHalfThenRelease();
  store.Abort();
  ShowOccupancy("After every other object was deleted", store.allocator());
  end_stage("delete half, release all");

  store.Replace(16 * kMebibyte);
  end_stage("put more in the gaps");

  store.DeleteAll();
  store.ExpectEmpty();
  end_stage("delete everything");
  Expect(store.events().evicted > 0 && store.events().fallback > 0, "nothing was evicted or fell back");
  return stages;
}

void Run() {
  const TemporaryDirectory fallback_directory;
  const std::string plasma_directory = PlasmaDirectory();
  std::printf("A store of %ld MiB in %s, with fallback to %s\n",
              static_cast<long>(kLimit / kMebibyte),
              plasma_directory.c_str(),
              fallback_directory.path().c_str());
  ShowStages(RunStore(plasma_directory, fallback_directory.path()));
  ShowCosts(MeasureCosts(plasma_directory, fallback_directory.path()));
  ShowHeading("Everything is as it should be.");
}

}  // namespace
}  // namespace demo

int main(int argc, char **argv) {
  if (argc == 3 && std::strcmp(argv[1], demo::kVerifierRole) == 0) {
    return demo::RunVerifier(std::atoi(argv[2]));
  }
  try {
    demo::Run();
    return 0;
  } catch (const std::exception &error) {
    std::fprintf(stderr, "\nThe demonstration failed: %s\n", error.what());
    return 1;
  }
}
