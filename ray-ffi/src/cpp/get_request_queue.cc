// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "ray/object_manager/plasma/get_request_queue.h"

#include <chrono>
#include <unordered_set>
#include <utility>

#include "convert.h"
#include "ray-ffi/src/get_request_queue.rs.h"
#include "ray/util/logging.h"

namespace plasma_rs {

void HandleDeleter::operator()(GetQueueHandle *handle) const {
  rust::Box<GetQueueHandle>::from_raw(handle);
}

namespace {

struct GetFromCpp : GetHook {
  explicit GetFromCpp(std::shared_ptr<plasma::GetRequest> get_request)
      : request(std::move(get_request)) {}

  std::shared_ptr<plasma::GetRequest> request;
};

/// Collects the gets that it is shown, so that callbacks run when the queue is free again.
class Collector : public GetVisitor {
 public:
  void visit(const GetHook &get, bool last) const override {
    gets_.emplace_back(static_cast<const GetFromCpp &>(get).request, last);
  }

  const std::vector<std::pair<std::shared_ptr<plasma::GetRequest>, bool>> &Gets() const {
    return gets_;
  }

 private:
  mutable std::vector<std::pair<std::shared_ptr<plasma::GetRequest>, bool>> gets_;
};

std::size_t NumberOf(const std::shared_ptr<plasma::ClientInterface> &client) {
  return reinterpret_cast<std::size_t>(client.get());
}

}  // namespace

std::size_t WaitingGets::size() const { return queue_->num_objects(); }

std::size_t WaitingGets::NumWaitingFor(const ray::ObjectID &id) const {
  return queue_->num_waiting_for(ArrayOf(id));
}

WaitingGets::mapped_type WaitingGets::WaitingFor(const ray::ObjectID &id) const {
  Collector collector;
  queue_->waiting_for(ArrayOf(id), collector);
  mapped_type requests;
  for (const auto &get : collector.Gets()) {
    requests.push_back(get.first);
  }
  return requests;
}

std::vector<WaitingGets::value_type> WaitingGets::All() const {
  std::vector<ray::ObjectID> ids;
  AppendIds(queue_->objects(), 0, ids);
  std::vector<value_type> entries;
  for (const auto &id : ids) {
    entries.emplace_back(id, WaitingFor(id));
  }
  return entries;
}

}  // namespace plasma_rs

namespace plasma {

GetRequest::GetRequest(instrumented_io_context &io_context,
                       const std::shared_ptr<ClientInterface> &client,
                       const std::vector<ObjectID> &object_ids,
                       int64_t num_unique_objects_to_wait_for)
    : client_(client),
      object_ids_(object_ids),
      objects_(object_ids.size()),
      num_unique_objects_to_wait_for_(num_unique_objects_to_wait_for),
      timer_(io_context) {}

void GetRequest::AsyncWait(
    int64_t timeout_ms, std::function<void(const boost::system::error_code &)> on_timeout) {
  RAY_CHECK(!is_removed_) << "the get is over";
  timer_.expires_after(std::chrono::milliseconds(timeout_ms));
  timer_.async_wait(std::move(on_timeout));
}

void GetRequest::CancelTimer() {
  RAY_CHECK(!is_removed_) << "the get is over";
  timer_.cancel();
}

void GetRequest::MarkRemoved() {
  RAY_CHECK(!is_removed_) << "the get is over";
  is_removed_ = true;
}

bool GetRequest::IsRemoved() const { return is_removed_; }

GetRequestQueue::GetRequestQueue(instrumented_io_context &io_context,
                                 IObjectLifecycleManager &object_lifecycle_mgr,
                                 ObjectReadyCallback object_callback,
                                 AllObjectReadyCallback all_objects_callback)
    : io_context_(io_context),
      object_lifecycle_mgr_(object_lifecycle_mgr),
      object_satisfied_callback_(std::move(object_callback)),
      all_objects_satisfied_callback_(std::move(all_objects_callback)),
      handle_(plasma_rs::get_queue_new().into_raw()),
      object_get_requests_(handle_.get()) {}

GetRequestQueue::~GetRequestQueue() = default;

void GetRequestQueue::AddRequest(const std::shared_ptr<ClientInterface> &client,
                                 const std::vector<ObjectID> &object_ids,
                                 int64_t timeout_ms) {
  std::unordered_set<ObjectID> seen;
  std::vector<ObjectID> unique;
  for (const auto &id : object_ids) {
    if (seen.insert(id).second) {
      unique.push_back(id);
    }
  }
  auto request = std::make_shared<GetRequest>(
      io_context_, client, object_ids, static_cast<int64_t>(unique.size()));
  std::vector<ObjectID> missing;
  for (const auto &id : unique) {
    const auto *object = object_lifecycle_mgr_.GetObject(id);
    if (object != nullptr && object->Sealed()) {
      Satisfy(*object, id, request);
    } else {
      request->objects_[id].data_size = -1;
      missing.push_back(id);
    }
  }
  if (missing.empty() || timeout_ms == 0) {
    OnGetRequestCompleted(request);
    return;
  }
  request->queue_number_ = handle_->add(plasma_rs::NumberOf(client),
                                        plasma_rs::BytesOf(missing),
                                        std::make_unique<plasma_rs::GetFromCpp>(request));
  if (timeout_ms != -1) {
    request->AsyncWait(timeout_ms, [this, request](const boost::system::error_code &error) {
      // The handler may be under way when the timer is cancelled.
      if (error != boost::asio::error::operation_aborted && !request->IsRemoved()) {
        OnGetRequestCompleted(request);
      }
    });
  }
}

void GetRequestQueue::Satisfy(const LocalObject &object,
                              const ObjectID &object_id,
                              const std::shared_ptr<GetRequest> &get_request) {
  object.ToPlasmaObject(&get_request->objects_[object_id], /*check_sealed=*/true);
  get_request->num_unique_objects_satisfied_ += 1;
  std::optional<MEMFD_TYPE> fallback_fd;
  if (object.GetAllocation().fallback_allocated_) {
    fallback_fd = object.GetAllocation().fd_;
  }
  object_satisfied_callback_(object_id, fallback_fd, get_request);
}

void GetRequestQueue::MarkObjectSealed(const ObjectID &object_id) {
  plasma_rs::Collector collector;
  handle_->object_sealed(plasma_rs::ArrayOf(object_id), collector);
  for (const auto &[request, last] : collector.Gets()) {
    // A callback before this one may have removed it.
    if (request->IsRemoved()) {
      continue;
    }
    const auto *object = object_lifecycle_mgr_.GetObject(object_id);
    RAY_CHECK(object != nullptr) << object_id << " was sealed and is not in the store";
    Satisfy(*object, object_id, request);
    if (last) {
      OnGetRequestCompleted(request);
    }
  }
}

void GetRequestQueue::RemoveGetRequestsForClient(
    const std::shared_ptr<ClientInterface> &client) {
  plasma_rs::Collector collector;
  handle_->remove_client(plasma_rs::NumberOf(client), collector);
  for (const auto &get : collector.Gets()) {
    RemoveGetRequest(get.first);
  }
}

void GetRequestQueue::RemoveGetRequest(const std::shared_ptr<GetRequest> &get_request) {
  if (get_request->IsRemoved()) {
    return;
  }
  handle_->remove(get_request->queue_number_);
  get_request->CancelTimer();
  get_request->MarkRemoved();
}

bool GetRequestQueue::IsGetRequestExist(const ObjectID &object_id) {
  return object_get_requests_.contains(object_id);
}

int64_t GetRequestQueue::GetRequestCount(const ObjectID &object_id) {
  return static_cast<int64_t>(object_get_requests_.NumWaitingFor(object_id));
}

void GetRequestQueue::OnGetRequestCompleted(
    const std::shared_ptr<GetRequest> &get_request) {
  all_objects_satisfied_callback_(get_request);
  RemoveGetRequest(get_request);
}

}  // namespace plasma
