// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// The first process: a store, and beside it a list of what has to be in it.

#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <string>

#include "ray/object_manager/plasma/obj_lifecycle_mgr.h"
#include "ray/object_manager/plasma/plasma_allocator.h"
#include "verifier.h"

namespace demo {

/// What has happened.
struct Events {
  int64_t created = 0;
  int64_t sealed = 0;
  int64_t aborted = 0;
  int64_t evicted = 0;
  int64_t deleted = 0;
  int64_t fallback = 0;
  int64_t callbacks = 0;
  int64_t verified_objects = 0;
  int64_t verified_bytes = 0;
};

/// Ends the demonstration: something is not as it should be.
[[noreturn]] void Differs(const std::string &what);
void Expect(bool condition, const char *what);

class Store {
 public:
  Store(const std::string &plasma_directory,
        const std::string &fallback_directory,
        int64_t footprint_limit);

  /// Creates an object of varied size, fills it and seals it. \param hold Whether it keeps a reference.
  void Put(int64_t size, bool hold, bool allow_fallback);
  /// Puts objects of varied sizes until so many bytes are allocated.
  void FillUpTo(int64_t bytes);
  /// Puts objects of varied sizes with this many bytes together, for which others have to go.
  void Replace(int64_t bytes);
  /// Uses the oldest `count` objects for a moment, so that they are no longer the oldest.
  void Touch(int count);
  /// Adds a reference to each object that has none.
  void HoldAll();
  /// Deletes every other object that is held, then releases all that are: those go in that moment.
  void DeleteHalfThenRelease();
  /// Deletes every object.
  void DeleteAll();
  /// Creates an object and gives it up before it is sealed.
  void Abort();

  /// Lets the second process look at every object; compares all counters with the list.
  void Verify(Verifier &verifier);

  /// After everything is gone: the region is one piece again.
  void ExpectEmpty();

  const Events &events() const { return events_; }
  int64_t num_objects() const { return static_cast<int64_t>(objects_.size()); }
  const plasma::PlasmaAllocator &allocator() const { return allocator_; }

 private:
  struct Known {
    uint64_t seed;
    int64_t size;
    bool held;
    bool fallback;
    bool doomed;
  };

  void OnDeleted(const ray::ObjectID &id);
  void Release(const ray::ObjectID &id);
  int64_t NextSize();
  void CheckCounters();

  plasma::PlasmaAllocator allocator_;
  plasma::ObjectLifecycleManager manager_;
  Events events_;
  std::map<std::string, Known> objects_;
  /// The unused objects, the one that was released longest ago first.
  std::list<std::string> unused_;
  uint64_t next_number_ = 1;
};

}  // namespace demo
