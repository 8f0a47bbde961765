// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "ray/object_manager/plasma/protocol.h"

#include <utility>

#include "convert.h"
#include "ray-ffi/src/protocol.rs.h"
#include "ray/object_manager/plasma/connection.h"
#include "status.h"

namespace plasma {

namespace {

using plasma_rs::ArrayOf;
using plasma_rs::ObjectIdFrom;

/// Bytes of the header, which the connection writes itself.
constexpr size_t kHeaderLength = 24;

rust::Slice<const std::uint8_t> Bytes(const uint8_t *data, size_t size) { return {data, size}; }

rust::Slice<const std::uint8_t> Bytes(const std::string &text) {
  return {reinterpret_cast<const std::uint8_t *>(text.data()), text.size()};
}

template <typename Connection>
Status Send(const std::shared_ptr<Connection> &connection,
            MessageType type,
            const rust::Vec<std::uint8_t> &message) {
  if (connection == nullptr) {
    return Status::IOError("the connection is closed");
  }
  return connection->WriteMessage(static_cast<int64_t>(type),
                                  static_cast<int64_t>(message.size() - kHeaderLength),
                                  message.data() + kHeaderLength);
}

/// A message of an id and, at most, a number.
template <typename Connection>
Status SendId(const std::shared_ptr<Connection> &connection,
              MessageType type,
              const ObjectID &id,
              uint64_t number = 0) {
  return Send(connection,
              type,
              plasma_rs::write_id(static_cast<int64_t>(type), ArrayOf(id), number));
}

/// Runs what reads a message; ends the process when it cannot be read.
template <typename Read>
auto Required(MessageType type, Read read) {
  try {
    return read();
  } catch (const rust::Error &error) {
    RAY_LOG(FATAL) << "Corrupted " << EnumNameMessageType(type) << " message: " << error.what()
                   << ". " << kCorruptedRequestErrorMessage;
    abort();
  }
}

Status Unreadable(MessageType type, const rust::Error &error) {
  return Status::IOError(std::string(EnumNameMessageType(type)) +
                         " message that cannot be read: " + error.what());
}

plasma_rs::IdMessage ReadId(MessageType type, const uint8_t *data, size_t size) {
  return plasma_rs::read_id(static_cast<int64_t>(type), Bytes(data, size));
}

/// A message of an id, and perhaps a number, which is returned.
uint64_t RequiredId(MessageType type, const uint8_t *data, size_t size, ObjectID *id) {
  const auto message = Required(type, [=] { return ReadId(type, data, size); });
  *id = ObjectIdFrom(message.id.data());
  return message.number;
}

/// A reply with an error.
Status ReadIdAndError(
    MessageType type, const uint8_t *data, size_t size, ObjectID *id, uint64_t *number) {
  try {
    const auto message = ReadId(type, data, size);
    *id = ObjectIdFrom(message.id.data());
    *number = message.number;
    return plasma_rs::StatusOf(static_cast<PlasmaError>(message.error));
  } catch (const rust::Error &error) {
    return Unreadable(type, error);
  }
}

rust::Vec<std::uint8_t> BytesOf(const ObjectID *ids, int64_t count) {
  return plasma_rs::BytesOf(std::vector<ObjectID>(ids, ids + count));
}

rust::Slice<const std::uint8_t> Bytes(const rust::Vec<std::uint8_t> &bytes) {
  return {bytes.data(), bytes.size()};
}

}  // namespace

Status PlasmaReceive(const std::shared_ptr<StoreConn> &store_conn,
                     MessageType message_type,
                     std::vector<uint8_t> *buffer) {
  return store_conn == nullptr
             ? Status::IOError("the connection is closed")
             : store_conn->ReadMessage(static_cast<int64_t>(message_type), buffer);
}

Status SendGetDebugStringRequest(const std::shared_ptr<StoreConn> &store_conn) {
  return Send(store_conn,
              MessageType::PlasmaGetDebugStringRequest,
              plasma_rs::write_debug_string_request());
}

Status SendGetDebugStringReply(const std::shared_ptr<Client> &client,
                               const std::string &debug_string) {
  return Send(client,
              MessageType::PlasmaGetDebugStringReply,
              plasma_rs::write_debug_string_reply(Bytes(debug_string)));
}

Status ReadGetDebugStringReply(uint8_t *data, size_t size, std::string *debug_string) {
  try {
    const auto text = plasma_rs::read_debug_string_reply(Bytes(data, size));
    debug_string->assign(text.begin(), text.end());
    return Status::OK();
  } catch (const rust::Error &error) {
    return Unreadable(MessageType::PlasmaGetDebugStringReply, error);
  }
}

Status SendCreateRetryRequest(const std::shared_ptr<StoreConn> &store_conn,
                              ObjectID object_id,
                              uint64_t request_id) {
  return SendId(store_conn, MessageType::PlasmaCreateRetryRequest, object_id, request_id);
}

Status SendCreateRequest(const std::shared_ptr<StoreConn> &store_conn,
                         ObjectID object_id,
                         const ray::rpc::Address &owner_address,
                         bool is_mutable,
                         int64_t data_size,
                         int64_t metadata_size,
                         flatbuf::ObjectSource source,
                         int device_num,
                         bool try_immediately) {
  const plasma_rs::CreationNumbers numbers{is_mutable,
                                           data_size,
                                           metadata_size,
                                           owner_address.port(),
                                           static_cast<std::int32_t>(source),
                                           device_num,
                                           try_immediately};
  try {
    return Send(store_conn,
                MessageType::PlasmaCreateRequest,
                plasma_rs::write_create_request(ArrayOf(object_id),
                                                Bytes(owner_address.node_id()),
                                                Bytes(owner_address.ip_address()),
                                                Bytes(owner_address.worker_id()),
                                                numbers));
  } catch (const rust::Error &error) {
    return Status::Invalid(std::string("the owner of the object: ") + error.what());
  }
}

void ReadCreateRequest(const uint8_t *data,
                       size_t size,
                       ray::ObjectInfo *object_info,
                       flatbuf::ObjectSource *source,
                       int *device_num) {
  const auto message = Required(MessageType::PlasmaCreateRequest, [=] {
    return plasma_rs::read_create_request(Bytes(data, size));
  });
  object_info->object_id = ObjectIdFrom(message.object_id.data());
  object_info->is_mutable = message.numbers.is_mutable;
  object_info->data_size = message.numbers.data_size;
  object_info->metadata_size = message.numbers.metadata_size;
  object_info->owner_node_id = plasma_rs::IdFrom<NodeID>(message.owner_node_id);
  object_info->owner_ip_address.assign(message.owner_ip_address.begin(),
                                       message.owner_ip_address.end());
  object_info->owner_port = message.numbers.owner_port;
  object_info->owner_worker_id = plasma_rs::IdFrom<WorkerID>(message.owner_worker_id);
  *source = static_cast<flatbuf::ObjectSource>(message.numbers.source);
  *device_num = message.numbers.device_num;
}

Status SendUnfinishedCreateReply(const std::shared_ptr<Client> &client,
                                 ObjectID object_id,
                                 uint64_t retry_with_request_id) {
  return SendId(client, MessageType::PlasmaCreateReply, object_id, retry_with_request_id);
}

Status SendCreateReply(const std::shared_ptr<Client> &client,
                       ObjectID object_id,
                       const PlasmaObject &object,
                       PlasmaError error) {
  RAY_CHECK(object.device_num == 0) << "there are no devices but main memory";
  return Send(client,
              MessageType::PlasmaCreateReply,
              plasma_rs::write_create_reply(ArrayOf(object_id),
                                            plasma_rs::AddressOf(object),
                                            static_cast<std::int32_t>(error)));
}

Status ReadCreateReply(uint8_t *data,
                       size_t size,
                       ObjectID *object_id,
                       uint64_t *retry_with_request_id,
                       PlasmaObject *object,
                       MEMFD_TYPE *store_fd,
                       int64_t *mmap_size) {
  try {
    PlasmaObject read = {};
    const auto message = plasma_rs::read_create_reply(
        Bytes(data, size), reinterpret_cast<std::uint8_t *>(&read));
    *object_id = ObjectIdFrom(message.id.data());
    *retry_with_request_id = message.number;
    if (message.number == 0) {
      *object = read;
      *store_fd = read.store_fd;
      *mmap_size = read.mmap_size;
    }
    return plasma_rs::StatusOf(static_cast<PlasmaError>(message.error));
  } catch (const rust::Error &error) {
    return Unreadable(MessageType::PlasmaCreateReply, error);
  }
}

Status SendAbortRequest(const std::shared_ptr<StoreConn> &store_conn, ObjectID object_id) {
  return SendId(store_conn, MessageType::PlasmaAbortRequest, object_id);
}

void ReadAbortRequest(const uint8_t *data, size_t size, ObjectID *object_id) {
  RequiredId(MessageType::PlasmaAbortRequest, data, size, object_id);
}

Status SendAbortReply(const std::shared_ptr<Client> &client, ObjectID object_id) {
  return SendId(client, MessageType::PlasmaAbortReply, object_id);
}

void ReadAbortReply(uint8_t *data, size_t size, ObjectID *object_id) {
  RequiredId(MessageType::PlasmaAbortReply, data, size, object_id);
}

Status SendSealRequest(const std::shared_ptr<StoreConn> &store_conn, ObjectID object_id) {
  return SendId(store_conn, MessageType::PlasmaSealRequest, object_id);
}

void ReadSealRequest(const uint8_t *data, size_t size, ObjectID *object_id) {
  RequiredId(MessageType::PlasmaSealRequest, data, size, object_id);
}

Status SendSealReply(const std::shared_ptr<Client> &client,
                     ObjectID object_id,
                     PlasmaError error) {
  return SendId(
      client, MessageType::PlasmaSealReply, object_id, static_cast<uint64_t>(error));
}

Status ReadSealReply(uint8_t *data, size_t size, ObjectID *object_id) {
  uint64_t unused = 0;
  return ReadIdAndError(MessageType::PlasmaSealReply, data, size, object_id, &unused);
}

Status SendGetRequest(const std::shared_ptr<StoreConn> &store_conn,
                      const ObjectID *object_ids,
                      int64_t num_objects,
                      int64_t timeout_ms) {
  const auto ids = BytesOf(object_ids, num_objects);
  return Send(store_conn,
              MessageType::PlasmaGetRequest,
              plasma_rs::write_get_request(Bytes(ids), timeout_ms));
}

void ReadGetRequest(const uint8_t *data,
                    size_t size,
                    std::vector<ObjectID> &object_ids,
                    int64_t *timeout_ms) {
  const auto message = Required(MessageType::PlasmaGetRequest,
                                [=] { return plasma_rs::read_get_request(Bytes(data, size)); });
  plasma_rs::AppendIds(message.ids, 0, object_ids);
  *timeout_ms = message.timeout_ms;
}

Status SendGetReply(const std::shared_ptr<Client> &client,
                    ObjectID object_ids[],
                    plasma_rs::HashMap<ObjectID, PlasmaObject> &plasma_objects,
                    int64_t num_objects,
                    const std::vector<MEMFD_TYPE> &store_fds,
                    const std::vector<int64_t> &mmap_sizes) {
  RAY_CHECK(store_fds.size() == mmap_sizes.size()) << "each file has a size";
  const auto ids = BytesOf(object_ids, num_objects);
  std::vector<PlasmaObject> objects;
  objects.reserve(static_cast<size_t>(num_objects));
  for (int64_t i = 0; i < num_objects; i++) {
    objects.push_back(plasma_objects[object_ids[i]]);
  }
  rust::Vec<plasma_rs::WireFile> files;
  for (size_t i = 0; i < store_fds.size(); i++) {
    files.push_back({store_fds[i].first, store_fds[i].second, mmap_sizes[i]});
  }
  return Send(client,
              MessageType::PlasmaGetReply,
              plasma_rs::write_get_reply(
                  Bytes(ids),
                  reinterpret_cast<const std::uint8_t *>(objects.data()),
                  rust::Slice<const plasma_rs::WireFile>(files.data(), files.size())));
}

void ReadGetReply(uint8_t *data,
                  size_t size,
                  ObjectID object_ids[],
                  PlasmaObject plasma_objects[],
                  int64_t num_objects,
                  std::vector<MEMFD_TYPE> &store_fds,
                  std::vector<int64_t> &mmap_sizes) {
  const auto message = Required(MessageType::PlasmaGetReply, [=] {
    return plasma_rs::read_get_reply(Bytes(data, size),
                                     reinterpret_cast<std::uint8_t *>(plasma_objects),
                                     static_cast<std::size_t>(num_objects));
  });
  std::vector<ObjectID> ids;
  plasma_rs::AppendIds(message.ids, 0, ids);
  std::copy(ids.begin(), ids.end(), object_ids);
  for (const auto &file : message.files) {
    store_fds.emplace_back(file.fd, file.unique_id);
    mmap_sizes.push_back(file.mmap_size);
  }
}

Status SendReleaseRequest(const std::shared_ptr<StoreConn> &store_conn,
                          ObjectID object_id,
                          bool may_unmap) {
  return SendId(store_conn, MessageType::PlasmaReleaseRequest, object_id, may_unmap ? 1 : 0);
}

void ReadReleaseRequest(const uint8_t *data,
                        size_t size,
                        ObjectID *object_id,
                        bool *may_unmap) {
  *may_unmap = RequiredId(MessageType::PlasmaReleaseRequest, data, size, object_id) != 0;
}

Status SendReleaseReply(const std::shared_ptr<Client> &client,
                        ObjectID object_id,
                        bool should_unmap,
                        PlasmaError error) {
  return Send(client,
              MessageType::PlasmaReleaseReply,
              plasma_rs::write_release_reply(
                  ArrayOf(object_id), should_unmap, static_cast<std::int32_t>(error)));
}

Status ReadReleaseReply(uint8_t *data,
                        size_t size,
                        ObjectID *object_id,
                        bool *should_unmap) {
  uint64_t number = 0;
  const auto status =
      ReadIdAndError(MessageType::PlasmaReleaseReply, data, size, object_id, &number);
  *should_unmap = number != 0;
  return status;
}

Status SendDeleteRequest(const std::shared_ptr<StoreConn> &store_conn,
                         const std::vector<ObjectID> &object_ids) {
  const auto ids = plasma_rs::BytesOf(object_ids);
  return Send(
      store_conn, MessageType::PlasmaDeleteRequest, plasma_rs::write_delete_request(Bytes(ids)));
}

void ReadDeleteRequest(const uint8_t *data,
                       size_t size,
                       std::vector<ObjectID> *object_ids) {
  const auto ids = Required(MessageType::PlasmaDeleteRequest, [=] {
    return plasma_rs::read_delete_request(Bytes(data, size));
  });
  object_ids->clear();
  plasma_rs::AppendIds(ids, 0, *object_ids);
}

Status SendDeleteReply(const std::shared_ptr<Client> &client,
                       const std::vector<ObjectID> &object_ids,
                       const std::vector<PlasmaError> &errors) {
  RAY_CHECK(object_ids.size() == errors.size()) << "each object has an error";
  const auto ids = plasma_rs::BytesOf(object_ids);
  const rust::Slice<const std::int32_t> numbers(
      reinterpret_cast<const std::int32_t *>(errors.data()), errors.size());
  return Send(client,
              MessageType::PlasmaDeleteReply,
              plasma_rs::write_delete_reply(Bytes(ids), numbers));
}

void ReadDeleteReply(uint8_t *data,
                     size_t size,
                     std::vector<ObjectID> *object_ids,
                     std::vector<PlasmaError> *errors) {
  const auto message = Required(MessageType::PlasmaDeleteReply, [=] {
    return plasma_rs::read_delete_reply(Bytes(data, size));
  });
  object_ids->clear();
  plasma_rs::AppendIds(message.ids, 0, *object_ids);
  errors->clear();
  for (const auto error : message.errors) {
    errors->push_back(static_cast<PlasmaError>(error));
  }
}

Status SendContainsRequest(const std::shared_ptr<StoreConn> &store_conn,
                           ObjectID object_id) {
  return SendId(store_conn, MessageType::PlasmaContainsRequest, object_id);
}

void ReadContainsRequest(const uint8_t *data, size_t size, ObjectID *object_id) {
  RequiredId(MessageType::PlasmaContainsRequest, data, size, object_id);
}

Status SendContainsReply(const std::shared_ptr<Client> &client,
                         ObjectID object_id,
                         bool has_object) {
  return SendId(client, MessageType::PlasmaContainsReply, object_id, has_object ? 1 : 0);
}

void ReadContainsReply(uint8_t *data, size_t size, ObjectID *object_id, bool *has_object) {
  *has_object = RequiredId(MessageType::PlasmaContainsReply, data, size, object_id) != 0;
}

Status SendConnectRequest(const std::shared_ptr<StoreConn> &store_conn) {
  return Send(
      store_conn, MessageType::PlasmaConnectRequest, plasma_rs::write_connect_request());
}

Status SendConnectReply(const std::shared_ptr<Client> &client, int64_t memory_capacity) {
  return Send(client,
              MessageType::PlasmaConnectReply,
              plasma_rs::write_connect_reply(memory_capacity));
}

void ReadConnectReply(uint8_t *data, size_t size) {
  Required(MessageType::PlasmaConnectReply,
           [=] { return plasma_rs::read_connect_reply(Bytes(data, size)); });
}

#ifndef PLASMA_RS_STANDALONE

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;
using flatbuffers::String;
using flatbuffers::Vector;

Offset<Vector<Offset<String>>> ToFlatbuffer(FlatBufferBuilder *fbb,
                                            const std::vector<std::string> &strings) {
  return fbb->CreateVectorOfStrings(strings);
}

Offset<Vector<Offset<String>>> ToFlatbuffer(FlatBufferBuilder *fbb,
                                            const ObjectID *object_ids,
                                            int64_t num_objects) {
  std::vector<std::string> ids;
  for (int64_t i = 0; i < num_objects; i++) {
    ids.push_back(object_ids[i].Binary());
  }
  return ToFlatbuffer(fbb, ids);
}

Offset<Vector<int64_t>> ToFlatbuffer(FlatBufferBuilder *fbb, const std::vector<int64_t> &data) {
  return fbb->CreateVector(data);
}

#endif

}  // namespace plasma
