// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// The cost of Ray's plasma classes, row by row: the same source compiles against our drop-in headers and against Ray's
// own, so that both are measured by one program. tools/bench.sh builds it, docs/benchmarks.md defines the rows.
//
//   bench_rows --list    names the rows
//   bench_rows ROW       measures one and prints a line of JSON: row, value, unit, and more to look at
//
// One row is one process: what an earlier row left in the heap does not matter then. Environment: BENCH_SHM
// (/dev/shm) and BENCH_FALLBACK (a new directory below TMPDIR) are where the allocator's files lie.

#include <malloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ray/object_manager/plasma/obj_lifecycle_mgr.h"
#include "ray/object_manager/plasma/plasma_allocator.h"
#include "ray/util/logging.h"

namespace {

using plasma::Allocation;
using plasma::ObjectLifecycleManager;
using plasma::PlasmaAllocator;
using plasma::flatbuf::ObjectSource;
using plasma::flatbuf::PlasmaError;
using ray::ObjectID;

constexpr int64_t kKiB = 1 << 10;
constexpr int64_t kMiB = 1 << 20;
constexpr int64_t kGiB = 1 << 30;

#define REQUIRE(condition)                                                   \
  do {                                                                       \
    if (!(condition)) {                                                      \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);   \
      std::abort();                                                          \
    }                                                                        \
  } while (false)

// ---- Time, chance, output ----

double Nanoseconds(clockid_t clock) {
  struct timespec now {};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

/// Nanoseconds on the clock, and of these on a processor: on a busy machine only the second ones say what was done.
struct Time {
  double elapsed;
  double processor;

  Time operator/(double count) const { return {elapsed / count, processor / count}; }
};

Time TimeOf(const std::function<void()> &work) {
  const double elapsed = Nanoseconds(CLOCK_MONOTONIC);
  const double processor = Nanoseconds(CLOCK_THREAD_CPUTIME_ID);
  work();
  return {Nanoseconds(CLOCK_MONOTONIC) - elapsed,
          Nanoseconds(CLOCK_THREAD_CPUTIME_ID) - processor};
}

/// splitmix64.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t Below(uint64_t bound) { return Next() % bound; }
  /// Both ends included.
  int64_t Between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(Below(static_cast<uint64_t>(high - low + 1)));
  }
  double Unit() { return static_cast<double>(Next() >> 11) / 9007199254740992.0; }

  ObjectID Id() {
    const uint64_t words[4] = {Next(), Next(), Next(), Next()};
    return ObjectID::FromBinary(
        std::string(reinterpret_cast<const char *>(words), ObjectID::Size()));
  }

 private:
  uint64_t state_;
};

struct Outcome {
  double value;
  const char *unit;
  /// More members of the JSON object, each after a comma.
  std::string more = "";
};

std::string Member(const char *name, double value) {
  char text[96];
  std::snprintf(text, sizeof text, ",\"%s\":%.2f", name, value);
  return text;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// The median of the batches, and the best one.
Outcome MedianOf(const std::vector<Time> &times) {
  std::vector<double> elapsed;
  std::vector<double> processor;
  for (const Time &time : times) {
    elapsed.push_back(time.elapsed);
    processor.push_back(time.processor);
  }
  return {Median(elapsed),
          "ns",
          Member("cpu", Median(processor)) +
              Member("best_cpu", *std::min_element(processor.begin(), processor.end()))};
}

// ---- Allocator ----

std::string Directory(const char *variable, const std::string &otherwise) {
  const char *set = std::getenv(variable);
  const std::string directory = set != nullptr ? set : otherwise;
  mkdir(directory.c_str(), 0700);
  return directory;
}

std::unique_ptr<PlasmaAllocator> NewAllocator(int64_t limit) {
  const char *temporary = std::getenv("TMPDIR");
  const std::string fallback = temporary != nullptr ? temporary : "/tmp";
  return std::make_unique<PlasmaAllocator>(
      Directory("BENCH_SHM", "/dev/shm"),
      Directory("BENCH_FALLBACK", fallback + "/plasma-bench-fallback"),
      /*hugepage_enabled=*/false,
      limit);
}

Allocation Allocate(PlasmaAllocator &allocator, int64_t size) {
  auto allocation = allocator.Allocate(static_cast<size_t>(size));
  REQUIRE(allocation.has_value());
  return std::move(*allocation);
}

Outcome Pairs(PlasmaAllocator &allocator, int warm_up, int batch) {
  const auto pairs = [&](int count) {
    for (int i = 0; i < count; i++) {
      allocator.Free(Allocate(allocator, 1024));
    }
  };
  pairs(warm_up);
  std::vector<Time> times;
  for (int i = 0; i < 10; i++) {
    times.push_back(TimeOf([&] { pairs(batch); }) / batch);
  }
  return MedianOf(times);
}

Outcome AllocLifo() {
  const auto allocator = NewAllocator(kGiB);
  return Pairs(*allocator, 200'000, 500'000);
}

Outcome AllocLifoWithFallbacks() {
  const auto allocator = NewAllocator(64 * kMiB);
  Allocation hole = Allocate(*allocator, kMiB);
  std::vector<Allocation> kept;
  for (const int64_t size : {kMiB, 64 * kKiB, 4 * kKiB, kKiB, int64_t{64}}) {
    while (auto allocation = allocator->Allocate(static_cast<size_t>(size))) {
      kept.push_back(std::move(*allocation));
    }
  }
  for (int i = 0; i < 1000; i++) {
    auto allocation = allocator->FallbackAllocate(4096);
    REQUIRE(allocation.has_value() && allocation->fallback_allocated_);
    kept.push_back(std::move(*allocation));
  }
  allocator->Free(std::move(hole));
  return Pairs(*allocator, 20'000, 50'000);
}

Outcome AllocRandom(int64_t nominal) {
  constexpr int kLive = 10'000;
  constexpr int kBatch = 20'000;
  const auto allocator = NewAllocator(16 * kGiB);
  Random random(1);
  const auto size = [&] { return random.Between(nominal / 2, nominal + nominal / 2); };
  std::vector<Allocation> live;
  for (int i = 0; i < kLive; i++) {
    live.push_back(Allocate(*allocator, size()));
  }
  std::vector<std::pair<size_t, int64_t>> plan(kBatch);
  std::vector<Time> times;
  for (int batch = 0; batch < 15; batch++) {
    for (auto &[which, bytes] : plan) {
      which = random.Below(kLive);
      bytes = size();
    }
    const Time time = TimeOf([&] {
      for (const auto &[which, bytes] : plan) {
        allocator->Free(std::move(live[which]));
        live[which] = Allocate(*allocator, bytes);
      }
    });
    if (batch >= 5) {
      times.push_back(time / kBatch);
    }
  }
  return MedianOf(times);
}

// ---- How full a region gets ----

/// A region of 1 GiB and allocations of 1 KiB to 4 MiB in it.
class Packing {
 public:
  Packing(bool logarithmic, uint64_t seed)
      : logarithmic_(logarithmic), allocator_(NewAllocator(kGiB)), random_(seed * 7919) {}

  bool Add() {
    operations_++;
    auto allocation = allocator_->Allocate(static_cast<size_t>(Size()));
    if (allocation.has_value()) {
      live_.push_back(std::move(*allocation));
      return true;
    }
    return false;
  }
  void Fill() {
    while (Add()) {
    }
  }
  void DropOne() {
    operations_++;
    const size_t which = random_.Below(live_.size());
    allocator_->Free(std::move(live_[which]));
    if (which + 1 != live_.size()) {
      live_[which] = std::move(live_.back());
    }
    live_.pop_back();
  }
  double Percent() const {
    return 100.0 * static_cast<double>(allocator_->Allocated()) / static_cast<double>(kGiB);
  }
  uint64_t operations() const { return operations_; }

 private:
  int64_t Size() {
    if (!logarithmic_) {
      return random_.Between(kKiB, 4 * kMiB);
    }
    const double low = std::log(1024.0);
    const double high = std::log(4194304.0);
    return static_cast<int64_t>(std::floor(std::exp(low + random_.Unit() * (high - low))));
  }

  bool logarithmic_;
  std::unique_ptr<PlasmaAllocator> allocator_;
  Random random_;
  std::vector<Allocation> live_;
  uint64_t operations_ = 0;
};

struct Packed {
  double filled;
  double churned;
  double refilled;
  double nanoseconds;
};

/// Always full.
Packed PackFull(Packing &packing) {
  Packed packed{};
  packing.Fill();
  packed.filled = packing.Percent();
  const uint64_t before = packing.operations();
  const Time time = TimeOf([&] {
    for (int i = 0; i < 20'000; i++) {
      packing.DropOne();
      packing.Fill();
    }
  });
  packed.nanoseconds = time.processor / static_cast<double>(packing.operations() - before);
  packed.churned = packing.Percent();
  while (packing.Percent() > 80) {
    packing.DropOne();
  }
  packing.Fill();
  packed.refilled = packing.Percent();
  return packed;
}

/// One for one, from four fifths on.
Packed PackReplacing(Packing &packing) {
  Packed packed{};
  while (packing.Percent() < 80) {
    REQUIRE(packing.Add());
  }
  packed.filled = packing.Percent();
  const uint64_t before = packing.operations();
  const Time time = TimeOf([&] {
    bool fits = true;
    for (int i = 0; i < 20'000 && fits; i++) {
      packing.DropOne();
      fits = packing.Add();
    }
  });
  packed.nanoseconds = time.processor / static_cast<double>(packing.operations() - before);
  packed.churned = packing.Percent();
  packing.Fill();
  packed.refilled = packing.Percent();
  return packed;
}

/// Each seed in a process of its own.
Outcome Pack(Packed (*pack)(Packing &), bool logarithmic, uint64_t seeds) {
  Packed sum{};
  double worst = 100;
  const auto count = static_cast<double>(seeds);
  for (uint64_t seed = 1; seed <= seeds; seed++) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    Packed packed{};
    if (child == 0) {
      Packing packing(logarithmic, seed);
      packed = pack(packing);
      _exit(write(ends[1], &packed, sizeof packed) == sizeof packed ? 0 : 1);
    }
    REQUIRE(read(ends[0], &packed, sizeof packed) == sizeof packed);
    waitpid(child, nullptr, 0);
    close(ends[0]);
    close(ends[1]);
    sum.filled += packed.filled / count;
    sum.churned += packed.churned / count;
    sum.refilled += packed.refilled / count;
    sum.nanoseconds += packed.nanoseconds / count;
    worst = std::min(worst, packed.refilled);
  }
  return {sum.refilled,
          "percent",
          Member("worst", worst) + Member("filled", sum.filled) +
              Member("churned", sum.churned) + Member("operation_ns", sum.nanoseconds)};
}

// ---- Lifecycle ----

ray::ObjectInfo Info(const ObjectID &id, int64_t size) {
  ray::ObjectInfo info;
  info.object_id = id;
  info.data_size = size;
  info.metadata_size = 0;
  info.owner_ip_address = "10.0.0.1";
  info.owner_port = 1234;
  return info;
}

class Store {
 public:
  explicit Store(int64_t limit)
      : allocator_(NewAllocator(limit)),
        manager_(*allocator_, [this](const ObjectID &) { deleted_++; }) {}

  void Create(const ray::ObjectInfo &info) {
    const auto created = manager_.CreateObject(info, ObjectSource::CreatedByWorker, false);
    REQUIRE(created.first != nullptr && created.second == PlasmaError::OK);
  }

  void MakeEvictable(const ObjectID &id) {
    REQUIRE(manager_.AddReference(id));
    REQUIRE(manager_.SealObject(id) != nullptr);
    REQUIRE(manager_.RemoveReference(id));
  }

  void Put(const ObjectID &id, int64_t size) {
    Create(Info(id, size));
    MakeEvictable(id);
  }

  void Delete(const ObjectID &id) { REQUIRE(manager_.DeleteObject(id) == PlasmaError::OK); }

  void Cycle(const ray::ObjectInfo &info) {
    Create(info);
    REQUIRE(manager_.SealObject(info.object_id) != nullptr);
    REQUIRE(manager_.AddReference(info.object_id));
    REQUIRE(manager_.RemoveReference(info.object_id));
    Delete(info.object_id);
  }

  ObjectLifecycleManager &manager() { return manager_; }
  uint64_t deleted() const { return deleted_; }

 private:
  uint64_t deleted_ = 0;
  std::unique_ptr<PlasmaAllocator> allocator_;
  ObjectLifecycleManager manager_;
};

Outcome Lifecycle(int others) {
  constexpr int kBatch = 50'000;
  Random random(1);
  Store store(4 * kGiB);
  for (int i = 0; i < others; i++) {
    store.Put(random.Id(), 64);
  }
  std::vector<ray::ObjectInfo> infos(kBatch);
  std::vector<Time> times;
  for (int batch = 0; batch < 11; batch++) {
    for (auto &info : infos) {
      info = Info(random.Id(), 1024);
    }
    const Time time = TimeOf([&] {
      for (const auto &info : infos) {
        store.Cycle(info);
      }
    });
    if (batch > 0) {
      times.push_back(time / kBatch);
    }
  }
  return MedianOf(times);
}

Outcome Lookup(int objects) {
  constexpr int kBatch = 200'000;
  Random random(1);
  Store store(4 * kGiB);
  std::vector<ObjectID> ids;
  for (int i = 0; i < objects; i++) {
    ids.push_back(random.Id());
    store.Put(ids.back(), 64);
  }
  std::vector<ObjectID> plan(kBatch);
  std::vector<Time> times;
  for (int batch = 0; batch < 11; batch++) {
    for (auto &id : plan) {
      // As from a message: without a cached hash.
      id = ObjectID::FromBinary(ids[random.Below(ids.size())].Binary());
    }
    const Time time = TimeOf([&] {
      for (const auto &id : plan) {
        REQUIRE(store.manager().GetObject(id) != nullptr);
      }
    });
    if (batch > 0) {
      times.push_back(time / kBatch);
    }
  }
  return MedianOf(times);
}

/// What a look-up cannot do without, and nothing else: a word of a table of 16 bytes an object, at random, and from there the
/// first word of a record of 112. By turns the next one waits for this one, or all are known beforehand.
Outcome TwoReads(size_t objects) {
  constexpr int kBatch = 200'000;
  Random random(1);
  using Record = std::array<uint64_t, 14>;
  const auto pages = [](size_t bytes) {
    void *start = mmap(
        nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    REQUIRE(start != MAP_FAILED);
    madvise(start, bytes, MADV_HUGEPAGE);
    return start;
  };
  const size_t places = size_t{1} << 21;
  auto *table = static_cast<uint64_t *>(pages(places * sizeof(uint64_t)));
  auto *records = static_cast<Record *>(pages(objects * sizeof(Record)));
  for (size_t i = 0; i < places; i++) {
    table[i] = random.Below(objects);
  }
  for (size_t i = 0; i < objects; i++) {
    records[i][0] = 0;
  }
  std::vector<uint64_t> plan(kBatch);
  std::vector<Time> waiting;
  std::vector<Time> known;
  uint64_t sum = 0;
  for (int batch = 0; batch < 22; batch++) {
    for (auto &place : plan) {
      place = random.Below(places);
    }
    const bool waits = batch % 2 == 0;
    const Time time = TimeOf([&] {
      uint64_t last = 0;
      if (waits) {
        for (const uint64_t place : plan) {
          // Always 0, which the processor knows only when it has read it.
          last = records[table[place + last]][0];
        }
      } else {
        for (const uint64_t place : plan) {
          last += records[table[place]][0];
        }
      }
      sum += last;
    });
    if (batch > 1) {
      (waits ? waiting : known).push_back(time / kBatch);
    }
  }
  REQUIRE(sum == 0);
  Outcome outcome = MedianOf(waiting);
  outcome.more += Member("overlapping", MedianOf(known).value);
  return outcome;
}

Outcome Evict(int objects, int rounds) {
  Random random(1);
  Store store(4 * kGiB);
  std::vector<Time> times;
  for (int round = 0; round < rounds; round++) {
    for (int i = 0; i < objects; i++) {
      store.Put(random.Id(), 64);
    }
    const uint64_t before = store.deleted();
    const Time time = TimeOf([&] { store.manager().RequireSpace(int64_t{64} * objects); });
    REQUIRE(store.deleted() - before == static_cast<uint64_t>(objects));
    times.push_back(time / objects);
  }
  return MedianOf(times);
}

Outcome EvictStall() {
  Random random(1);
  Store store(1'000'000 * int64_t{1024} + kMiB);
  uint64_t objects = 0;
  uint64_t evicted = 0;
  std::vector<Time> stalls;
  while (stalls.size() < 4) {
    const auto info = Info(random.Id(), 1000);
    const uint64_t before = store.deleted();
    const Time time = TimeOf([&] { store.Create(info); });
    if (store.deleted() != before) {
      evicted = stalls.empty() ? store.deleted() - before : evicted;
      stalls.push_back(time);
    }
    objects += stalls.empty() ? 1 : 0;
    store.MakeEvictable(info.object_id);
  }
  return {stalls[0].elapsed,
          "ns",
          Member("cpu", stalls[0].processor) + Member("objects", static_cast<double>(objects)) +
              Member("evicted", static_cast<double>(evicted)) +
              Member("second_cpu", stalls[1].processor) +
              Member("third_cpu", stalls[2].processor) +
              Member("fourth_cpu", stalls[3].processor)};
}

// ---- Memory ----

struct Memory {
  /// What the heap has given out, mapped blocks included.
  double heap;
  /// Anonymous resident memory: the pages of the store are not counted.
  double resident;
};

Memory MemoryNow() {
  const struct mallinfo2 info = mallinfo2();
  std::FILE *file = std::fopen("/proc/self/statm", "r");
  size_t size = 0;
  size_t resident = 0;
  size_t shared = 0;
  REQUIRE(file != nullptr && std::fscanf(file, "%zu %zu %zu", &size, &resident, &shared) == 3);
  std::fclose(file);
  const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  return {static_cast<double>(info.uordblks + info.hblkhd),
          static_cast<double>(resident - shared) * page};
}

Outcome HeapOf(bool deleted_again) {
  constexpr int kObjects = 1'000'000;
  Random random(1);
  Store store(4 * kGiB);
  std::vector<ObjectID> ids(kObjects);
  for (auto &id : ids) {
    id = random.Id();
  }
  for (int i = 0; i < 2000; i++) {
    const ObjectID id = random.Id();
    store.Put(id, 64);
    store.Delete(id);
  }
  const Memory before = MemoryNow();
  for (const auto &id : ids) {
    store.Put(id, 64);
  }
  if (!deleted_again) {
    const Memory after = MemoryNow();
    // What lies in pages of its own is not in the heap, so what is resident is compared.
    return {(after.resident - before.resident) / kObjects,
            "bytes",
            Member("heap", (after.heap - before.heap) / kObjects)};
  }
  for (const auto &id : ids) {
    store.Delete(id);
  }
  const Memory after = MemoryNow();
  malloc_trim(0);
  const Memory trimmed = MemoryNow();
  return {after.resident - before.resident,
          "bytes",
          Member("heap", after.heap - before.heap) +
              Member("resident_after_trim", trimmed.resident - before.resident)};
}

// ---- Rows ----

struct Row {
  const char *name;
  std::function<Outcome()> measure;
};

const std::vector<Row> &Rows() {
  static const std::vector<Row> rows = {
      {"alloc_lifo", AllocLifo},
      {"alloc_random_100B", [] { return AllocRandom(100); }},
      {"alloc_random_1KB", [] { return AllocRandom(kKiB); }},
      {"alloc_random_100KB", [] { return AllocRandom(100 * kKiB); }},
      {"alloc_random_1MB", [] { return AllocRandom(kMiB); }},
      {"alloc_lifo_fb1000", AllocLifoWithFallbacks},
      {"lookup_10k", [] { return Lookup(10'000); }},
      {"lookup_1m", [] { return Lookup(1'000'000); }},
      {"control_reads_1m", [] { return TwoReads(1'000'000); }},
      {"lifecycle_10k", [] { return Lifecycle(10'000); }},
      {"lifecycle_1m", [] { return Lifecycle(1'000'000); }},
      {"evict_100k", [] { return Evict(100'000, 5); }},
      {"evict_1m", [] { return Evict(1'000'000, 3); }},
      {"evict_stall_1m", EvictStall},
      {"heap_per_object", [] { return HeapOf(false); }},
      {"heap_after_delete", [] { return HeapOf(true); }},
      {"pack_uniform", [] { return Pack(PackFull, false, 10); }},
      {"pack_log", [] { return Pack(PackFull, true, 10); }},
      {"pack_replacing_uniform", [] { return Pack(PackReplacing, false, 20); }},
      {"pack_replacing_log", [] { return Pack(PackReplacing, true, 20); }},
  };
  return rows;
}

/// Ray's log writes what is above INFO unless it is started; ours reads the environment at any time.
template <typename Log>
auto OnlyErrors(int) -> decltype(Log::StartRayLog("bench", ray::RayLogLevel::ERROR)) {
  return Log::StartRayLog("bench", ray::RayLogLevel::ERROR);
}
template <typename Log>
void OnlyErrors(long) {}

}  // namespace

int main(int argc, char **argv) {
  const std::string wanted = argc == 2 ? argv[1] : "";
  setenv("RAY_BACKEND_LOG_LEVEL", "error", 0);
  OnlyErrors<ray::RayLog>(0);
  for (const auto &row : Rows()) {
    if (wanted == "--list") {
      std::puts(row.name);
    } else if (wanted == row.name) {
      const Outcome outcome = row.measure();
      std::printf("{\"row\":\"%s\",\"value\":%.2f,\"unit\":\"%s\"%s}\n",
                  row.name,
                  outcome.value,
                  outcome.unit,
                  outcome.more.c_str());
      std::fflush(stdout);
      _exit(0);
    }
  }
  if (wanted != "--list") {
    std::fprintf(stderr, "usage: bench_rows ROW | --list\n");
    return 2;
  }
  return 0;
}
