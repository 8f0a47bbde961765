// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Drop-in for Ray's header of this name: the messages between clients and the store. They are written and read in
// Rust, with every byte checked; connections carry them.
//
// What is wrong with a message that was read is an error where a Status is returned. A function that returns nothing
// aborts and says why.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "plasma_rs/base.h"
#include "ray/common/status.h"
#include "ray/object_manager/common.h"
#include "ray/object_manager/plasma/common.h"
#include "ray/object_manager/plasma/plasma.h"
#include "ray/object_manager/plasma/plasma_generated.h"
#include "ray/util/logging.h"
#include "src/ray/protobuf/common.pb.h"

namespace plasma {

class Client;
class StoreConn;

using ray::Status;

using flatbuf::MessageType;
using flatbuf::ObjectSource;
using flatbuf::PlasmaError;

/// Aborts when a field is missing.
template <class T>
void VerifyNotNullPtr(T *object, std::string_view obj_name, MessageType msg_type) {
  RAY_CHECK(object != nullptr) << "Corrupted " << EnumNameMessageType(msg_type) << " message: "
                               << obj_name << " is missing. " << kCorruptedRequestErrorMessage;
}

#ifndef PLASMA_RS_STANDALONE

/// Whether the bytes are a well-formed table of type T.
template <class T>
bool VerifyFlatbuffer(T *object, const uint8_t *data, size_t size) {
  flatbuffers::Verifier verifier(data, size);
  return object->Verify(verifier);
}

flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>>
ToFlatbuffer(flatbuffers::FlatBufferBuilder *fbb,
             const ObjectID *object_ids,
             int64_t num_objects);

flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>>
ToFlatbuffer(flatbuffers::FlatBufferBuilder *fbb, const std::vector<std::string> &strings);

flatbuffers::Offset<flatbuffers::Vector<int64_t>> ToFlatbuffer(
    flatbuffers::FlatBufferBuilder *fbb, const std::vector<int64_t> &data);

#endif

/// Reads the body of a message; fails when it is one of another type, or when there is no connection.
Status PlasmaReceive(const std::shared_ptr<StoreConn> &store_conn,
                     MessageType message_type,
                     std::vector<uint8_t> *buffer);

Status SendGetDebugStringRequest(const std::shared_ptr<StoreConn> &store_conn);
Status SendGetDebugStringReply(const std::shared_ptr<Client> &client,
                               const std::string &debug_string);
Status ReadGetDebugStringReply(uint8_t *data, size_t size, std::string *debug_string);

/// \param request_id What the unfinished reply said.
Status SendCreateRetryRequest(const std::shared_ptr<StoreConn> &store_conn,
                              ObjectID object_id,
                              uint64_t request_id);
/// Fails when an id in the address is not one.
Status SendCreateRequest(const std::shared_ptr<StoreConn> &store_conn,
                         ObjectID object_id,
                         const ray::rpc::Address &owner_address,
                         bool is_mutable,
                         int64_t data_size,
                         int64_t metadata_size,
                         flatbuf::ObjectSource source,
                         int device_num,
                         bool try_immediately);
void ReadCreateRequest(const uint8_t *data,
                       size_t size,
                       ray::ObjectInfo *object_info,
                       flatbuf::ObjectSource *source,
                       int *device_num);
Status SendUnfinishedCreateReply(const std::shared_ptr<Client> &client,
                                 ObjectID object_id,
                                 uint64_t retry_with_request_id);
Status SendCreateReply(const std::shared_ptr<Client> &client,
                       ObjectID object_id,
                       const PlasmaObject &object,
                       PlasmaError error);
/// \param retry_with_request_id 0, or what to ask again with; then nothing else but the id is set.
/// \return The error in the reply.
Status ReadCreateReply(uint8_t *data,
                       size_t size,
                       ObjectID *object_id,
                       uint64_t *retry_with_request_id,
                       PlasmaObject *object,
                       MEMFD_TYPE *store_fd,
                       int64_t *mmap_size);

Status SendAbortRequest(const std::shared_ptr<StoreConn> &store_conn, ObjectID object_id);
void ReadAbortRequest(const uint8_t *data, size_t size, ObjectID *object_id);
Status SendAbortReply(const std::shared_ptr<Client> &client, ObjectID object_id);
void ReadAbortReply(uint8_t *data, size_t size, ObjectID *object_id);

Status SendSealRequest(const std::shared_ptr<StoreConn> &store_conn, ObjectID object_id);
void ReadSealRequest(const uint8_t *data, size_t size, ObjectID *object_id);
Status SendSealReply(const std::shared_ptr<Client> &client,
                     ObjectID object_id,
                     PlasmaError error);
Status ReadSealReply(uint8_t *data, size_t size, ObjectID *object_id);

Status SendGetRequest(const std::shared_ptr<StoreConn> &store_conn,
                      const ObjectID *object_ids,
                      int64_t num_objects,
                      int64_t timeout_ms);
/// Appends the ids.
void ReadGetRequest(const uint8_t *data,
                    size_t size,
                    std::vector<ObjectID> &object_ids,
                    int64_t *timeout_ms);
/// \param store_fds The files in which the objects lie, with the size of each in `mmap_sizes`.
Status SendGetReply(const std::shared_ptr<Client> &client,
                    ObjectID object_ids[],
                    plasma_rs::HashMap<ObjectID, PlasmaObject> &plasma_objects,
                    int64_t num_objects,
                    const std::vector<MEMFD_TYPE> &store_fds,
                    const std::vector<int64_t> &mmap_sizes);
/// Aborts when the reply has another number of objects. Appends to the vectors.
void ReadGetReply(uint8_t *data,
                  size_t size,
                  ObjectID object_ids[],
                  PlasmaObject plasma_objects[],
                  int64_t num_objects,
                  std::vector<MEMFD_TYPE> &store_fds,
                  std::vector<int64_t> &mmap_sizes);

Status SendReleaseRequest(const std::shared_ptr<StoreConn> &store_conn,
                          ObjectID object_id,
                          bool may_unmap);
void ReadReleaseRequest(const uint8_t *data,
                        size_t size,
                        ObjectID *object_id,
                        bool *may_unmap);
Status SendReleaseReply(const std::shared_ptr<Client> &client,
                        ObjectID object_id,
                        bool should_unmap,
                        PlasmaError error);
Status ReadReleaseReply(uint8_t *data,
                        size_t size,
                        ObjectID *object_id,
                        bool *should_unmap);

Status SendDeleteRequest(const std::shared_ptr<StoreConn> &store_conn,
                         const std::vector<ObjectID> &object_ids);
void ReadDeleteRequest(const uint8_t *data,
                       size_t size,
                       std::vector<ObjectID> *object_ids);
/// Aborts unless there is an error for each id.
Status SendDeleteReply(const std::shared_ptr<Client> &client,
                       const std::vector<ObjectID> &object_ids,
                       const std::vector<PlasmaError> &errors);
void ReadDeleteReply(uint8_t *data,
                     size_t size,
                     std::vector<ObjectID> *object_ids,
                     std::vector<PlasmaError> *errors);

Status SendContainsRequest(const std::shared_ptr<StoreConn> &store_conn,
                           ObjectID object_id);
void ReadContainsRequest(const uint8_t *data, size_t size, ObjectID *object_id);
Status SendContainsReply(const std::shared_ptr<Client> &client,
                         ObjectID object_id,
                         bool has_object);
void ReadContainsReply(uint8_t *data, size_t size, ObjectID *object_id, bool *has_object);

Status SendConnectRequest(const std::shared_ptr<StoreConn> &store_conn);
Status SendConnectReply(const std::shared_ptr<Client> &client, int64_t memory_capacity);
void ReadConnectReply(uint8_t *data, size_t size);

}  // namespace plasma
