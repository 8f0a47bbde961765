// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Drop-in for Ray's header of this name: gets that wait for objects.

#pragma once

#include <utility>  // before Boost: 1.74 forgets it under C++20

#include <boost/asio.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "plasma_rs/base.h"
#include "plasma_rs/handle.h"
#include "plasma_rs/waiting_gets.h"
#include "ray/common/asio/instrumented_io_context.h"
#include "ray/common/id.h"
#include "ray/object_manager/plasma/connection.h"
#include "ray/object_manager/plasma/obj_lifecycle_mgr.h"

namespace plasma {

struct GetRequest;

/// Is called for each object of a get that is there.
using ObjectReadyCallback =
    std::function<void(const ObjectID &object_id,
                       std::optional<MEMFD_TYPE> fallback_allocated_fd,
                       const std::shared_ptr<GetRequest> &get_request)>;

/// Is called when a get is over: all objects are there, or its time has passed.
using AllObjectReadyCallback =
    std::function<void(const std::shared_ptr<GetRequest> &get_request)>;

/// A get. Its shape is Ray's; what it waits for is in the queue.
struct GetRequest {
  GetRequest(instrumented_io_context &io_context,
             const std::shared_ptr<ClientInterface> &client,
             const std::vector<ObjectID> &object_ids,
             int64_t num_unique_objects_to_wait_for);

  std::shared_ptr<ClientInterface> client_;
  /// As the client asked for them, also twice.
  std::vector<ObjectID> object_ids_;
  /// What is known of each; data_size is -1 while the object is not there.
  plasma_rs::HashMap<ObjectID, PlasmaObject> objects_;
  const int64_t num_unique_objects_to_wait_for_;
  int64_t num_unique_objects_satisfied_ = 0;

  /// Aborts when the request was removed; so do the next two.
  void AsyncWait(int64_t timeout_ms,
                 std::function<void(const boost::system::error_code &)> on_timeout);
  void CancelTimer();
  void MarkRemoved();
  bool IsRemoved() const;

 private:
  friend class GetRequestQueue;

  boost::asio::steady_timer timer_;
  bool is_removed_ = false;
  /// Its number in the queue; 0 when it does not wait there.
  uint64_t queue_number_ = 0;
};

/// Gets by the objects that they wait for. Not thread-safe. The callbacks may call the queue.
class GetRequestQueue {
 public:
  /// \param io_context Where timeouts run. Outlives the queue, as does the manager.
  GetRequestQueue(instrumented_io_context &io_context,
                  IObjectLifecycleManager &object_lifecycle_mgr,
                  ObjectReadyCallback object_callback,
                  AllObjectReadyCallback all_objects_callback);
  ~GetRequestQueue();

  GetRequestQueue(const GetRequestQueue &) = delete;
  GetRequestQueue &operator=(const GetRequestQueue &) = delete;

  /// Adds a get; it is over at once when all of its objects are there.
  ///
  /// \param timeout_ms -1 to wait for ever, 0 not to wait.
  void AddRequest(const std::shared_ptr<ClientInterface> &client,
                  const std::vector<ObjectID> &object_ids,
                  int64_t timeout_ms);

  /// Drops the gets of a client that has gone. There may be any number.
  void RemoveGetRequestsForClient(const std::shared_ptr<ClientInterface> &client);

  /// To be called when an object was sealed. Aborts when the manager has no such object and somebody waits for it.
  void MarkObjectSealed(const ObjectID &object_id);

 private:
  friend struct GetRequestQueueTest;

  void RemoveGetRequest(const std::shared_ptr<GetRequest> &get_request);
  bool IsGetRequestExist(const ObjectID &object_id);
  int64_t GetRequestCount(const ObjectID &object_id);
  void OnGetRequestCompleted(const std::shared_ptr<GetRequest> &get_request);

  /// Notes in a get that one of its objects is there, and tells of it.
  void Satisfy(const LocalObject &object,
               const ObjectID &object_id,
               const std::shared_ptr<GetRequest> &get_request);

  instrumented_io_context &io_context_;
  IObjectLifecycleManager &object_lifecycle_mgr_;
  ObjectReadyCallback object_satisfied_callback_;
  AllObjectReadyCallback all_objects_satisfied_callback_;
  plasma_rs::Handle<plasma_rs::GetQueueHandle> handle_;
  const plasma_rs::WaitingGets object_get_requests_;
};

}  // namespace plasma
