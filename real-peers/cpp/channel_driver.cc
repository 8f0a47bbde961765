// One end of a channel with the functions of `ray::PlasmaObjectHeader` inside Ray's libray_api.so: its writers and readers are
// the original's, step by step.
//
//   channel_driver LIBRARY write FILE SIZE COUNT READERS PAUSE
//   channel_driver LIBRARY read FILE SIZE COUNT
//
// FILE is a channel's memory: a header of 96 bytes, and the value. Semaphores are made and opened as Ray's
// MutableObjectManager does. Every value has the time of its release in the first eight bytes and, behind that, its number in
// each byte; a writer sleeps for PAUSE microseconds before each. Prints "open" when the semaphores are, and then waits for a byte on its input; at the end "done", the
// nanoseconds for all values, those of it on a processor, and of a reader those of each value from release to acquire; or
// "closed" and the number of values before the channel's error.

#include <dlfcn.h>
#include <fcntl.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

static_assert(!_GLIBCXX_USE_CXX11_ABI, "Ray's wheels use the old std::string");

namespace {

[[noreturn]] void Fail(const std::string &what) {
  std::cerr << "channel_driver: " << what << std::endl;
  _exit(3);
}

void *library;

template <typename T>
T Get(const char *name) {
  void *found = dlsym(library, name);
  if (found == nullptr) Fail(std::string("the library has no ") + name);
  return reinterpret_cast<T>(found);
}

}  // namespace

// A result of the library's.
class Status {
 public:
  ~Status() {
    static const auto destroy = Get<void (*)(Status *)>("_ZN3ray6StatusD1Ev");
    if (state_ != nullptr) destroy(this);
  }
  bool ok() const { return state_ == nullptr; }

 private:
  void *state_;
};

namespace {

struct Semaphores {
  sem_t *object;
  sem_t *header;
};

using Deadline = std::optional<std::chrono::steady_clock::time_point>;

#define HEADER(function) "_ZN3ray18PlasmaObjectHeader" function

struct Functions {
  Status (*write_acquire)(void *, Semaphores &, uint64_t, uint64_t, int64_t, const Deadline &);
  Status (*write_release)(void *, Semaphores &);
  Status (*read_acquire)(void *, const void *, Semaphores &, int64_t, int64_t &, const std::function<Status()> &,
                         const Deadline &);
  Status (*read_release)(void *, Semaphores &, int64_t);
};

// Who comes first makes the semaphores; the others wait for them.
Semaphores Open(uint8_t *header) {
  auto *level = reinterpret_cast<std::atomic<int> *>(header);
  const std::string name = reinterpret_cast<const char *>(header + 4);
  int expected = 0;
  Semaphores semaphores{};
  if (level->compare_exchange_strong(expected, 1)) {
    sem_unlink(("hdr" + name).c_str());
    sem_unlink(("obj" + name).c_str());
    semaphores.object = sem_open(("obj" + name).c_str(), O_CREAT | O_EXCL, 0644, 1);
    semaphores.header = sem_open(("hdr" + name).c_str(), O_CREAT | O_EXCL, 0644, 1);
    level->store(2);
  } else {
    while (level->load() != 2) sched_yield();
    semaphores.object = sem_open(("obj" + name).c_str(), 0);
    semaphores.header = sem_open(("hdr" + name).c_str(), 0);
  }
  if (semaphores.object == SEM_FAILED || semaphores.header == SEM_FAILED) Fail("no semaphores");
  return semaphores;
}

int64_t Now() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

int64_t Processor() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

}  // namespace

int main(int argc, char **argv) {
  if (argc < 6) Fail("LIBRARY write|read FILE SIZE COUNT [READERS PAUSE]");
  library = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) Fail(dlerror());
  const bool is_writer = std::string(argv[2]) == "write";
  const size_t size = std::stoul(argv[4]);
  const int64_t count = std::stol(argv[5]);
  const int64_t readers = is_writer ? std::stol(argv[6]) : 0;
  const useconds_t pause = is_writer ? std::stoul(argv[7]) : 0;
  const Functions ray{
      Get<decltype(Functions::write_acquire)>(
          HEADER("12WriteAcquireERNS0_10SemaphoresEmmlRKSt8optionalINSt6chrono10time_pointINS4_3_V212steady_clock"
                 "ENS4_8durationIlSt5ratioILl1ELl1000000000EEEEEEE")),
      Get<decltype(Functions::write_release)>(HEADER("12WriteReleaseERNS0_10SemaphoresE")),
      Get<decltype(Functions::read_acquire)>(
          HEADER("11ReadAcquireERKNS_8ObjectIDERNS0_10SemaphoresElRlRKSt8functionIFNS_6StatusEvEERKSt8optionalINSt6"
                 "chrono10time_pointINSE_3_V212steady_clockENSE_8durationIlSt5ratioILl1ELl1000000000EEEEEEE")),
      Get<decltype(Functions::read_release)>(HEADER("11ReadReleaseERNS0_10SemaphoresEl"))};

  const int file = open(argv[3], O_RDWR | O_CLOEXEC);
  void *memory = mmap(nullptr, 96 + size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, 0);
  if (file < 0 || memory == MAP_FAILED) Fail("the channel's memory cannot be mapped");
  auto *header = static_cast<uint8_t *>(memory);
  uint8_t *const value = header + 96;
  Semaphores semaphores = Open(header);
  std::cout << "open" << std::endl;
  getchar();

  std::vector<int64_t> latencies;
  std::vector<uint8_t> copy(size);
  uint8_t id[36] = {};
  const int64_t started = Now(), used = Processor();
  for (int64_t number = 1; number <= count; number++) {
    bool ok;
    if (is_writer) {
      if (pause > 0) usleep(pause);
      ok = ray.write_acquire(header, semaphores, size, 0, readers, std::nullopt).ok();
      if (ok) {
        memset(value + 8, static_cast<int>(number % 251), size - 8);
        const int64_t now = Now();
        memcpy(value, &now, 8);
        ok = ray.write_release(header, semaphores).ok();
      }
    } else {
      int64_t version = 0;
      ok = ray.read_acquire(header, id, semaphores, number, version, nullptr, std::nullopt).ok();
      if (ok) {
        int64_t then;
        memcpy(&then, value, 8);
        latencies.push_back(Now() - then);
        memcpy(copy.data(), value, size);
        ok = ray.read_release(header, semaphores, version).ok();
        if (ok && (copy[8] != number % 251 || memcmp(&copy[8], &copy[9], size - 9) != 0)) Fail("a torn read");
      }
    }
    if (!ok) {
      std::cout << "closed " << number - 1 << std::endl;
      return 0;
    }
  }
  std::cout << "done " << Now() - started << ' ' << Processor() - used;
  for (const int64_t latency : latencies) std::cout << ' ' << latency;
  std::cout << std::endl;
  // A writer's channel is closed by whoever reads to its end; nothing is unlinked here.
  return 0;
}
