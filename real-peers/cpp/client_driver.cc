// Drives the plasma client inside Ray's libray_api.so by lines on its input, and answers with lines.
//
//   client_driver LIBRARY
//
// The library does not export the class, but its symbol table has it, and its virtual functions are reached through the
// vtable. The constructor exists only inlined, so this builds the object itself: declared below is the layout that the
// library's own code fills in, the same in every version that is used. Ids are 56 hexadecimal digits. Each line is
// answered by one that starts with "ok", or "error" and the client's status:
//
//   connect SOCKET                            disconnect
//   create ID SIZE METADATA MUTABLE IMMEDIATE (metadata in hexadecimal, "-" for none; 0 or 1 twice)
//   fill ID SEED                              writes the pattern that `pattern` describes
//   write ID OFFSET BYTES                     writes bytes, in hexadecimal
//   seal ID    abort ID    contains ID        delete ID...    usage
//   get TIMEOUT ID...                         keeps what comes; "absent" or SIZE:CHECKSUM:METADATA each
//   look TIMEOUT ID...                        the same without reading data: SIZE each
//   read ID OFFSET SIZE                       bytes of what was got or created, in hexadecimal
//   mutable ID                                SIZE:CONTENT of a mutable object's header, as it lies in memory
//   release ID                                what was got first, or else what was created
//   time put COUNT SIZE BASE                  nanoseconds for COUNT puts of ids BASE, BASE + 1, ...
//   time get COUNT BASE                       nanoseconds for as many gets and releases
//   time contains COUNT BASE
//
// Compiled with the old std::string, as Ray's wheels are.

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

static_assert(!_GLIBCXX_USE_CXX11_ABI, "Ray's wheels use the old std::string");

namespace {

[[noreturn]] void Fail(const std::string &what) {
  std::cerr << "client_driver: " << what << std::endl;
  _exit(3);
}

// A library with its whole symbol table, exported or not.
class Library {
 public:
  explicit Library(const char *path) {
    void *handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (handle == nullptr) Fail(dlerror());
    link_map *map = nullptr;
    if (dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0) Fail(dlerror());
    base_ = map->l_addr;

    std::ifstream file(path, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    const auto *header = reinterpret_cast<const Elf64_Ehdr *>(bytes.data());
    const auto *sections = reinterpret_cast<const Elf64_Shdr *>(bytes.data() + header->e_shoff);
    for (int i = 0; i < header->e_shnum; ++i) {
      if (sections[i].sh_type != SHT_SYMTAB) continue;
      const auto *symbols = reinterpret_cast<const Elf64_Sym *>(bytes.data() + sections[i].sh_offset);
      const char *names = bytes.data() + sections[sections[i].sh_link].sh_offset;
      for (size_t s = 0; s < sections[i].sh_size / sizeof(Elf64_Sym); ++s) {
        if (symbols[s].st_shndx != SHN_UNDEF) offsets_[names + symbols[s].st_name] = symbols[s].st_value;
      }
    }
  }

  template <typename T>
  T Get(const std::string &name) const {
    auto found = offsets_.find(name);
    if (found == offsets_.end()) Fail("the library has no " + name);
    return reinterpret_cast<T>(base_ + found->second);
  }

 private:
  uintptr_t base_ = 0;
  std::unordered_map<std::string, uint64_t> offsets_;
};

const Library *library;

}  // namespace

// What the library's functions take and return. Names and layouts are the library's, bodies are not here. (In an
// anonymous namespace the compiler would know that nobody implements these, and call nothing.)

class Status {
 public:
  ~Status() { library->Get<void (*)(Status *)>("_ZN3ray6StatusD1Ev")(this); }
  bool ok() const { return state_ == nullptr; }
  std::string ToString() const {
    return library->Get<std::string (*)(const Status *)>("_ZNK3ray6Status8ToStringEv")(this);
  }

 private:
  void *state_;
};

struct StatusOrString {
  ~StatusOrString() {}  // leaks the string
  Status status;
  union {
    std::string value;
  };
};

#pragma pack(push, 1)
struct ObjectID {
  size_t cached_hash = 0;
  uint8_t bytes[28];
  bool operator<(const ObjectID &other) const { return memcmp(bytes, other.bytes, sizeof(bytes)) < 0; }
  bool operator==(const ObjectID &other) const { return memcmp(bytes, other.bytes, sizeof(bytes)) == 0; }
};
#pragma pack(pop)
static_assert(sizeof(ObjectID) == 36);

struct NeverHash {
  size_t operator()(const ObjectID &) const { abort(); }
};

class Address;  // a protobuf message; only its default instance is used

class Buffer {
 public:
  virtual uint8_t *Data() const = 0;
  virtual size_t Size() const = 0;
  virtual bool OwnsData() const = 0;
  virtual bool IsPlasmaBuffer() const = 0;
  virtual ~Buffer() = default;
};

struct ObjectBuffer {
  std::shared_ptr<Buffer> data;
  std::shared_ptr<Buffer> metadata;
  int device_num = 0;
};

struct MutableObject {
  void *header;
  std::shared_ptr<Buffer> buffer;
  int64_t allocated_size;
};

class Client {
 public:
  virtual ~Client() = default;
  virtual Status Connect(const std::string &store, const std::string &manager, int num_retries) = 0;
  virtual Status Release(const ObjectID &id) = 0;
  virtual Status Contains(const ObjectID &id, bool *has) = 0;
  virtual void Disconnect() = 0;
  virtual Status Get(const std::vector<ObjectID> &ids, int64_t timeout_ms, std::vector<ObjectBuffer> *out) = 0;
  virtual Status GetExperimentalMutableObject(const ObjectID &id, std::unique_ptr<MutableObject> *out) = 0;
  virtual Status Seal(const ObjectID &id) = 0;
  virtual Status Abort(const ObjectID &id) = 0;
  virtual Status CreateAndSpillIfNeeded(const ObjectID &id, const Address &owner, bool is_mutable, int64_t data_size,
                                        const uint8_t *metadata, int64_t metadata_size, std::shared_ptr<Buffer> *data,
                                        int source, int device_num) = 0;
  virtual Status TryCreateImmediately(const ObjectID &id, const Address &owner, int64_t data_size,
                                      const uint8_t *metadata, int64_t metadata_size, std::shared_ptr<Buffer> *data,
                                      int source, int device_num) = 0;
  virtual Status Delete(const std::vector<ObjectID> &ids) = 0;
  virtual StatusOrString GetMemoryUsage() = 0;
};

namespace {

// The order of the virtual functions, as it is in the library; anything else is another class.
constexpr const char *kVirtualFunctions[] = {
    "_ZN6plasma12PlasmaClientD1Ev",
    "_ZN6plasma12PlasmaClientD0Ev",
    "_ZN6plasma12PlasmaClient7ConnectERKSsS2_i",
    "_ZN6plasma12PlasmaClient7ReleaseERKN3ray8ObjectIDE",
    "_ZN6plasma12PlasmaClient8ContainsERKN3ray8ObjectIDEPb",
    "_ZN6plasma12PlasmaClient10DisconnectEv",
    "_ZN6plasma12PlasmaClient3GetERKSt6vectorIN3ray8ObjectIDESaIS3_EElPS1_INS_12ObjectBufferESaIS8_EE",
    "_ZN6plasma12PlasmaClient28GetExperimentalMutableObjectERKN3ray8ObjectIDEPSt10unique_ptrINS_13MutableObjectESt14"
    "default_deleteIS6_EE",
    "_ZN6plasma12PlasmaClient4SealERKN3ray8ObjectIDE",
    "_ZN6plasma12PlasmaClient5AbortERKN3ray8ObjectIDE",
    "_ZN6plasma12PlasmaClient22CreateAndSpillIfNeededERKN3ray8ObjectIDERKNS1_3rpc7AddressEblPKhlPSt10shared_ptrINS1_"
    "6BufferEENS_7flatbuf12ObjectSourceEi",
    "_ZN6plasma12PlasmaClient20TryCreateImmediatelyERKN3ray8ObjectIDERKNS1_3rpc7AddressElPKhlPSt10shared_ptrINS1_"
    "6BufferEENS_7flatbuf12ObjectSourceEi",
    "_ZN6plasma12PlasmaClient6DeleteERKSt6vectorIN3ray8ObjectIDESaIS3_EE",
    "_ZN6plasma12PlasmaClient14GetMemoryUsageEv",
};

// An empty hash table of Abseil's.
struct EmptyTable {
  const void *control;
  size_t slots = 0, size = 0, capacity = 0;
};

// What a client consists of.
struct Layout {
  const void *const *vtable;
  std::weak_ptr<void> self;
  alignas(8) char io_context[0x80];
  std::shared_ptr<void> connection;
  EmptyTable mappings, descriptors, objects_in_use;
  std::unordered_set<ObjectID, NeverHash> to_delete;
  std::recursive_mutex mutex;
  bool exit_on_connection_failure = false;
};
static_assert(offsetof(Layout, connection) == 0x98 && offsetof(Layout, to_delete) == 0x108 &&
              sizeof(Layout) == 0x138 + 8 + sizeof(std::recursive_mutex) + 8);

std::shared_ptr<Client> MakeClient() {
  const auto *vtable = library->Get<const void *const *>("_ZTVN6plasma12PlasmaClientE") + 2;
  for (size_t i = 0; i < std::size(kVirtualFunctions); ++i) {
    if (vtable[i] != library->Get<const void *>(kVirtualFunctions[i])) Fail("the client has other virtual functions");
  }
  // A table without elements points into the second half of a constant.
  const void *control = library->Get<const char *>("_ZN4absl12lts_2023080218container_internal11kEmptyGroupE") + 16;
  auto *layout = new Layout{};
  layout->vtable = vtable;
  library->Get<void (*)(void *, bool, bool, std::optional<std::string>)>(
      "_ZN23instrumented_io_contextC1EbbSt8optionalISsE")(layout->io_context, false, false, std::nullopt);
  layout->mappings.control = layout->descriptors.control = layout->objects_in_use.control = control;
  std::shared_ptr<Client> client(reinterpret_cast<Client *>(layout), [](Client *client) {
    client->~Client();  // the library's, which destroys every member
    ::operator delete(static_cast<void *>(client));
  });
  layout->self = client;
  return client;
}

// Lines.

struct Held {
  std::shared_ptr<Buffer> created;
  std::vector<ObjectBuffer> got;
};

std::shared_ptr<Client> client;
std::map<ObjectID, Held> held;

constexpr char kDigits[] = "0123456789abcdef";

std::string Hex(const uint8_t *bytes, size_t size) {
  std::string text;
  for (size_t i = 0; i < size; ++i) {
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

std::vector<uint8_t> Bytes(const std::string &hex) {
  std::vector<uint8_t> bytes;
  if (hex != "-") {
    for (size_t i = 0; i + 1 < hex.size(); i += 2) bytes.push_back(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

ObjectID Id(const std::string &hex) {
  ObjectID id;
  const auto bytes = Bytes(hex);
  if (bytes.size() != sizeof(id.bytes)) Fail("not an id: " + hex);
  memcpy(id.bytes, bytes.data(), sizeof(id.bytes));
  return id;
}

ObjectID NumberedId(uint64_t number) {
  ObjectID id;
  memset(id.bytes, 0x77, sizeof(id.bytes));
  memcpy(id.bytes, &number, sizeof(number));
  return id;
}

template <typename T>
T Word(std::istringstream &words) {
  T value;
  if (!(words >> value)) Fail("a word is missing or wrong in: " + words.str());
  return value;
}

std::vector<ObjectID> Ids(std::istringstream &words) {
  std::vector<ObjectID> ids;
  for (std::string word; words >> word;) ids.push_back(Id(word));
  return ids;
}

uint64_t Checksum(const uint8_t *bytes, size_t size) {
  uint64_t sum = 0xcbf29ce484222325;
  for (size_t i = 0; i < size; ++i) sum = (sum ^ bytes[i]) * 0x100000001b3;
  return sum;
}

std::string Answer(const Status &status) { return status.ok() ? "ok" : "error " + status.ToString(); }

const Address &NoOwner() { return *library->Get<const Address *>("_ZN3ray3rpc26_Address_default_instance_E"); }

std::string Create(std::istringstream &words) {
  const auto id = Id(Word<std::string>(words));
  const auto size = Word<int64_t>(words);
  const auto metadata = Bytes(Word<std::string>(words));
  const auto is_mutable = Word<bool>(words), immediately = Word<bool>(words);
  std::shared_ptr<Buffer> data;
  auto answer = Answer(
      immediately ? client->TryCreateImmediately(id, NoOwner(), size, metadata.data(), metadata.size(), &data, 0, 0)
                  : client->CreateAndSpillIfNeeded(id, NoOwner(), is_mutable, size, metadata.data(), metadata.size(),
                                                   &data, 0, 0));
  if (data) {
    if (data->Size() != static_cast<size_t>(size)) Fail("a buffer of another size");
    held[id].created = data;
  }
  return answer;
}

std::string Get(std::istringstream &words, bool read) {
  const auto timeout = Word<int64_t>(words);
  const auto ids = Ids(words);
  std::vector<ObjectBuffer> buffers;
  std::ostringstream answer;
  answer << Answer(client->Get(ids, timeout, &buffers));
  for (size_t i = 0; i < buffers.size(); ++i) {
    const auto &[data, metadata, device] = buffers[i];
    if (!data) {
      answer << " absent";
      continue;
    }
    answer << ' ' << data->Size();
    if (read) {
      answer << ':' << std::hex << Checksum(data->Data(), data->Size()) << std::dec << ':'
             << Hex(metadata->Data(), metadata->Size());
    }
    held[ids[i]].got.push_back(buffers[i]);
  }
  return answer.str();
}

// Where an object that is held can be read and written.
Buffer &Memory(const ObjectID &id) {
  Held &object = held[id];
  if (object.created) return *object.created;
  if (object.got.empty()) Fail("an object that is not held");
  return *object.got.front().data;
}

std::string Release(const ObjectID &id) {
  auto found = held.find(id);
  if (found == held.end()) return "error not held here";
  if (!found->second.got.empty()) {
    found->second.got.pop_back();  // the client releases when the last buffer goes
    return "ok";
  }
  held.erase(found);
  return Answer(client->Release(id));
}

std::string Mutable(const ObjectID &id) {
  std::unique_ptr<MutableObject> object;
  auto answer = Answer(client->GetExperimentalMutableObject(id, &object));
  if (object) {
    answer += ' ' + std::to_string(object->allocated_size) + ':' + Hex(static_cast<uint8_t *>(object->header), 96);
    object.release();  // its deleter is the library's
  }
  return answer;
}

std::string Time(std::istringstream &words) {
  const auto what = Word<std::string>(words);
  const auto count = Word<uint64_t>(words);
  const std::vector<uint8_t> source(what == "put" ? Word<size_t>(words) : 0, 0x5a);
  const auto base = Word<uint64_t>(words);
  const auto check = [](const Status &status) {
    if (!status.ok()) Fail(status.ToString());
  };
  const auto started = std::chrono::steady_clock::now();
  for (uint64_t i = 0; i < count; ++i) {
    const auto id = NumberedId(base + i);
    if (what == "put") {
      std::shared_ptr<Buffer> data;
      check(client->CreateAndSpillIfNeeded(id, NoOwner(), false, source.size(), nullptr, 0, &data, 0, 0));
      memcpy(data->Data(), source.data(), source.size());
      check(client->Seal(id));
      check(client->Release(id));
    } else if (what == "get") {
      std::vector<ObjectBuffer> buffers;
      check(client->Get({id}, 0, &buffers));
      if (!buffers[0].data) Fail("an object is not there");
    } else if (what == "contains") {
      bool has = false;
      check(client->Contains(id, &has));
    } else {
      Fail("time what? " + what);
    }
  }
  const std::chrono::nanoseconds taken = std::chrono::steady_clock::now() - started;
  return "ok " + std::to_string(taken.count());
}

std::string Do(const std::string &line) {
  std::istringstream words(line);
  const auto verb = Word<std::string>(words);
  if (verb == "connect") {
    if (!client) client = MakeClient();
    return Answer(client->Connect(Word<std::string>(words), "", -1));
  }
  if (!client) return "error not connected";
  if (verb == "disconnect") {
    client->Disconnect();
    held.clear();
    client.reset();
    return "ok";
  }
  if (verb == "create") return Create(words);
  if (verb == "get") return Get(words, true);
  if (verb == "look") return Get(words, false);
  if (verb == "time") return Time(words);
  if (verb == "usage") {
    auto usage = client->GetMemoryUsage();
    return usage.status.ok() ? "ok " + Hex(reinterpret_cast<const uint8_t *>(usage.value.data()), usage.value.size())
                             : Answer(usage.status);
  }
  if (verb == "delete") return Answer(client->Delete(Ids(words)));
  const auto id = Id(Word<std::string>(words));
  if (verb == "seal") return Answer(client->Seal(id));
  if (verb == "release") return Release(id);
  if (verb == "mutable") return Mutable(id);
  if (verb == "abort") {
    // Two references to what was created; an abort takes one.
    held.erase(id);
    if (const auto answer = Answer(client->Release(id)); answer != "ok") return answer;
    return Answer(client->Abort(id));
  }
  if (verb == "contains") {
    bool has = false;
    const auto answer = Answer(client->Contains(id, &has));
    return answer == "ok" ? (has ? "ok 1" : "ok 0") : answer;
  }
  Buffer &memory = Memory(id);
  if (verb == "fill") {
    uint64_t state = Word<uint64_t>(words);
    for (size_t i = 0; i < memory.Size(); ++i) {
      state = state * 6364136223846793005 + 1442695040888963407;
      memory.Data()[i] = state >> 56;
    }
    return "ok";
  }
  const auto offset = Word<size_t>(words);
  if (verb == "write") {
    const auto bytes = Bytes(Word<std::string>(words));
    if (offset + bytes.size() > memory.Size()) return "error beyond the end";
    memcpy(memory.Data() + offset, bytes.data(), bytes.size());
    return "ok";
  }
  if (verb == "read") {
    const auto size = Word<size_t>(words);
    return offset + size > memory.Size() ? "error beyond the end" : "ok " + Hex(memory.Data() + offset, size);
  }
  Fail("not a verb: " + verb);
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 2) Fail("usage: client_driver LIBRARY");
  library = new Library(argv[1]);
  // Who started this may die while the client waits.
  std::thread([] {
    pollfd input{STDIN_FILENO, 0, 0};
    while (poll(&input, 1, -1) != 1 || (input.revents & POLLHUP) == 0) {
    }
    _exit(0);
  }).detach();
  std::cout << "ok" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    auto answer = Do(line);
    for (char &c : answer) {
      if (c == '\n') c = ' ';
    }
    std::cout << answer << std::endl;
  }
  _exit(0);
}
