/* Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
 *
 * Ray's plasma store for C: objects in shared memory, with eviction and a fallback to disk.
 * Made by cbindgen from ray-ffi/src/capi; do not edit. `UPDATE_HEADER=1 cargo test -p ray-ffi c_header`.
 *
 * Errors: a function that can fail returns a PlasmaRsError, and PLASMA_RS_OK when it has not failed.
 * One that fails has changed nothing and written no result, except where it says otherwise;
 * plasma_rs_last_error_message says more. Every function may also return PLASMA_RS_INVALID_ARGUMENT for a
 * null pointer, and PLASMA_RS_INTERNAL.
 *
 * Pointers: those that are not null point to what their type says, for as long as the call. A handle is one
 * that this library made and that was not destroyed. Texts end with a 0.
 *
 * Ownership: whoever makes a handle destroys it, once. All memory of allocations and objects is the
 * library's, as are the file descriptors: send them, or duplicate them, but do not close them.
 *
 * Threads: any function may be called from any thread, also on the same handle, except that nothing else
 * may use a handle that is being destroyed. The bytes of an object are for its users to order.
 *
 * Processes: a handle must not be used in a process that was forked from the one that made it.
 */

#ifndef PLASMA_RS_H
#define PLASMA_RS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * How a call ended. The numbers stay as they are; those below 100 are Ray's.
 */
typedef enum PlasmaRsError {
  /**
   * Done.
   */
  PLASMA_RS_OK = 0,
  /**
   * There is an object of this id.
   */
  PLASMA_RS_OBJECT_EXISTS = 1,
  /**
   * There is no object of this id.
   */
  PLASMA_RS_OBJECT_NONEXISTENT = 2,
  /**
   * No memory, not even after eviction and, where it was allowed, in a fallback file.
   */
  PLASMA_RS_OUT_OF_MEMORY = 3,
  /**
   * The object is not sealed yet.
   */
  PLASMA_RS_OBJECT_NOT_SEALED = 4,
  /**
   * The object is referenced.
   */
  PLASMA_RS_OBJECT_IN_USE = 5,
  /**
   * The object is sealed already.
   */
  PLASMA_RS_OBJECT_SEALED = 7,
  /**
   * The operating system has no space in one of the directories.
   */
  PLASMA_RS_OUT_OF_DISK = 8,
  /**
   * A pointer is null, or a value makes no sense; nothing was done.
   */
  PLASMA_RS_INVALID_ARGUMENT = 100,
  /**
   * The primary region cannot be set up: the directory is missing, read-only or full.
   */
  PLASMA_RS_INIT_FAILED = 101,
  /**
   * No live allocation of this allocator begins at the address.
   */
  PLASMA_RS_NOT_ALLOCATED = 102,
  /**
   * The object has no reference that could be taken away.
   */
  PLASMA_RS_NOT_REFERENCED = 103,
  /**
   * A mistake in this library. It is caught, but what the handle stands for may be damaged: from now on
   * every call on it returns this, and all that is left is to destroy it.
   */
  PLASMA_RS_INTERNAL = 104,
} PlasmaRsError;

/**
 * Gives out pieces of one shared file, and files of their own on disk when asked to.
 */
typedef struct PlasmaRsAllocator PlasmaRsAllocator;

/**
 * Objects in shared memory, which go when room is needed and nobody uses them: the one that was released
 * longest ago first.
 */
typedef struct PlasmaRsStore PlasmaRsStore;

/**
 * What an allocator, or the allocator in a store, is made from. Start with `plasma_rs_default_options`.
 */
typedef struct PlasmaRsOptions {
  /**
   * Where the file of the primary region lies; a tmpfs. The file has no name there.
   */
  const char *plasma_directory;
  /**
   * Where fallback files lie; a disk. It is not looked at before the first of them.
   */
  const char *fallback_directory;
  /**
   * Bytes of the primary region; more than 2048.
   */
  int64_t footprint_limit;
  /**
   * Use huge pages for the primary region if there are any, else normal ones.
   */
  bool hugepage_enabled;
  /**
   * Reserve the whole primary region and set up its pages at the start.
   */
  bool preallocate;
  /**
   * Leave all mappings out of core dumps.
   */
  bool exclude_from_core_dump;
} PlasmaRsOptions;

/**
 * A piece of shared memory. To use it in another process, send that the descriptor, and map `mapping_size`
 * bytes of it from 0 on: the piece begins `offset` bytes into that mapping.
 */
typedef struct PlasmaRsAllocation {
  /**
   * First byte in this process, a multiple of 64.
   */
  uint8_t *address;
  /**
   * Usable bytes, as they were asked for.
   */
  int64_t size;
  /**
   * The file, which stays the library's. The one of the primary region is open as long as the
   * allocator; one of a fallback file, as long as the allocation.
   */
  int32_t fd;
  /**
   * Tells the file from any other that this process has had, even under the same number.
   */
  int64_t unique_fd_id;
  /**
   * Position of the first byte in the file.
   */
  int64_t offset;
  /**
   * Bytes of the file.
   */
  int64_t mapping_size;
  /**
   * Whether the memory is a fallback file on disk.
   */
  bool fallback_allocated;
} PlasmaRsAllocation;

/**
 * How much memory an allocator has and has given out, in bytes unless it says otherwise.
 */
typedef struct PlasmaRsMemory {
  /**
   * The primary region.
   */
  int64_t footprint_limit;
  /**
   * Live allocations of either kind, as they were asked for.
   */
  int64_t allocated;
  /**
   * The part of `allocated` that lies in fallback files.
   */
  int64_t fallback_allocated;
  /**
   * What is free in the primary region, in whatever pieces.
   */
  int64_t free_bytes;
  /**
   * How many allocations of either kind are live.
   */
  int64_t num_live;
} PlasmaRsMemory;

/**
 * Names an object: 28 bytes that mean nothing to the store.
 */
typedef struct PlasmaRsObjectId {
  /**
   * The bytes.
   */
  uint8_t bytes[28];
} PlasmaRsObjectId;

/**
 * Is told of each sealed object that has gone, whether it was deleted or evicted: once, in the thread of
 * the call that made it go, before that call returns. It may use the store, except to destroy it, and must
 * not leave by longjmp or an exception.
 */
typedef void (*PlasmaRsDeleteCallback)(const struct PlasmaRsObjectId *id, void *user_data);

/**
 * An object at the moment of the call. The memory stays where it is until the object goes, which it does
 * not as long as it has a reference.
 */
typedef struct PlasmaRsObject {
  /**
   * The memory: the data, and right behind it the metadata.
   */
  struct PlasmaRsAllocation allocation;
  /**
   * First byte of the data.
   */
  uint8_t *data;
  /**
   * Bytes of data.
   */
  int64_t data_size;
  /**
   * First byte of the metadata.
   */
  uint8_t *metadata;
  /**
   * Bytes of metadata.
   */
  int64_t metadata_size;
  /**
   * How many references it has.
   */
  int32_t ref_count;
  /**
   * Whether it is sealed, and will not change any more.
   */
  bool sealed;
} PlasmaRsObject;

/**
 * Objects and their bytes.
 */
typedef struct PlasmaRsTally {
  /**
   * How many objects.
   */
  int64_t objects;
  /**
   * How many bytes of data and metadata they have.
   */
  int64_t bytes;
} PlasmaRsTally;

/**
 * What a store holds, by state.
 */
typedef struct PlasmaRsStats {
  /**
   * Ever created.
   */
  struct PlasmaRsTally created_total;
  /**
   * Still being written.
   */
  struct PlasmaRsTally unsealed;
  /**
   * With references.
   */
  struct PlasmaRsTally in_use;
  /**
   * Sealed and without references: these go when room is needed.
   */
  struct PlasmaRsTally evictable;
  /**
   * Sealed, with exactly one reference.
   */
  struct PlasmaRsTally spillable;
  /**
   * Bytes of the unsealed objects in fallback files.
   */
  int64_t fallback_bytes_unsealed;
  /**
   * Bytes of the sealed objects in fallback files.
   */
  int64_t fallback_bytes_sealed;
} PlasmaRsStats;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The name of an error number, as this header spells it; "unknown error" for any other number.
 * The text is constant.
 */
const char *plasma_rs_error_name(int32_t error);

/**
 * What the last call of this thread that failed has to say, in UTF-8; empty when none has failed.
 * The text belongs to the library, and is valid until the next call of this thread that fails.
 */
const char *plasma_rs_last_error_message(void);

/**
 * The options to start with: /dev/shm, /tmp, 64 MiB, normal pages, nothing set up ahead, no core dumps.
 * The texts are constant.
 */
struct PlasmaRsOptions plasma_rs_default_options(void);

/**
 * Makes an allocator, which `plasma_rs_allocator_destroy` takes back.
 *
 * Errors: PLASMA_RS_INVALID_ARGUMENT when the limit is 2048 bytes or less; PLASMA_RS_INIT_FAILED when the
 * plasma directory is missing, read-only or, with `preallocate`, has too little space.
 */
enum PlasmaRsError plasma_rs_allocator_create(const struct PlasmaRsOptions *options,
                                              struct PlasmaRsAllocator **allocator);

/**
 * Unmaps and closes everything. Its allocations are gone then. Null is nothing.
 */
void plasma_rs_allocator_destroy(struct PlasmaRsAllocator *allocator);

/**
 * Allocates `size` bytes in the primary region, in constant time. `plasma_rs_allocator_free` takes them
 * back. 0 bytes get an address of their own.
 *
 * Errors: PLASMA_RS_OUT_OF_MEMORY when no free piece is large enough; PLASMA_RS_OUT_OF_DISK when the plasma
 * directory is full.
 */
enum PlasmaRsError plasma_rs_allocator_allocate(struct PlasmaRsAllocator *allocator,
                                                size_t size,
                                                struct PlasmaRsAllocation *allocation);

/**
 * As `plasma_rs_allocator_allocate`; when there is no room, in a new file in the fallback directory.
 *
 * Errors: PLASMA_RS_OUT_OF_DISK when there is no space for the file either; PLASMA_RS_OUT_OF_MEMORY when
 * the size is more than any mapping could have.
 */
enum PlasmaRsError plasma_rs_allocator_fallback_allocate(struct PlasmaRsAllocator *allocator,
                                                         size_t size,
                                                         struct PlasmaRsAllocation *allocation);

/**
 * Takes the memory back that begins at `address`.
 *
 * Errors: PLASMA_RS_NOT_ALLOCATED when no live allocation of this allocator begins there, because it is
 * another's or was freed before.
 */
enum PlasmaRsError plasma_rs_allocator_free(struct PlasmaRsAllocator *allocator,
                                            uint8_t *address);

/**
 * How much memory there is and is in use, in constant time.
 */
enum PlasmaRsError plasma_rs_allocator_memory(const struct PlasmaRsAllocator *allocator,
                                              struct PlasmaRsMemory *memory);

/**
 * How full the primary region is: it is cut into `buckets` equal parts, and the used part of each, from 0
 * to 1, is written to `fractions`, which has room for as many. Takes time for each live allocation.
 */
enum PlasmaRsError plasma_rs_allocator_occupancy(const struct PlasmaRsAllocator *allocator,
                                                 double *fractions,
                                                 size_t buckets);

/**
 * Makes a store with an allocator of its own, which `plasma_rs_store_destroy` takes back.
 * `user_data` is what the callback gets; the library does not look at it. The callback may be null.
 *
 * Errors: those of `plasma_rs_allocator_create`.
 */
enum PlasmaRsError plasma_rs_store_create(const struct PlasmaRsOptions *options,
                                          PlasmaRsDeleteCallback on_delete,
                                          void *user_data,
                                          struct PlasmaRsStore **store);

/**
 * Drops all objects, without a callback, and unmaps and closes everything. Null is nothing.
 */
void plasma_rs_store_destroy(struct PlasmaRsStore *store);

/**
 * Creates an object that is not sealed yet and has one reference, its creator's. When there is no room,
 * unused objects are evicted; when that does not help and `allow_fallback` is set, the object gets a file
 * in the fallback directory. Sizes are bytes; the memory is not cleared.
 *
 * Errors: PLASMA_RS_OBJECT_EXISTS; PLASMA_RS_OUT_OF_MEMORY; PLASMA_RS_INVALID_ARGUMENT when a size is
 * negative or their sum is above 2^63 - 1.
 */
enum PlasmaRsError plasma_rs_store_create_object(struct PlasmaRsStore *store,
                                                 const struct PlasmaRsObjectId *id,
                                                 int64_t data_size,
                                                 int64_t metadata_size,
                                                 bool allow_fallback,
                                                 struct PlasmaRsObject *object);

/**
 * Finds an object, sealed or not. It gets no reference.
 *
 * Errors: PLASMA_RS_OBJECT_NONEXISTENT.
 */
enum PlasmaRsError plasma_rs_store_get_object(const struct PlasmaRsStore *store,
                                              const struct PlasmaRsObjectId *id,
                                              struct PlasmaRsObject *object);

/**
 * Seals an object: from now on its bytes stay as they are. References stay too.
 *
 * Errors: PLASMA_RS_OBJECT_NONEXISTENT; PLASMA_RS_OBJECT_SEALED.
 */
enum PlasmaRsError plasma_rs_store_seal_object(struct PlasmaRsStore *store,
                                               const struct PlasmaRsObjectId *id);

/**
 * Gives up an object that is not sealed, whatever references it has. The callback is not called.
 *
 * Errors: PLASMA_RS_OBJECT_NONEXISTENT; PLASMA_RS_OBJECT_SEALED.
 */
enum PlasmaRsError plasma_rs_store_abort_object(struct PlasmaRsStore *store,
                                                const struct PlasmaRsObjectId *id);

/**
 * Deletes a sealed object without references. Any other goes as soon as it is one, and the result says
 * why it has not gone yet.
 *
 * Errors: PLASMA_RS_OBJECT_NONEXISTENT; PLASMA_RS_OBJECT_NOT_SEALED and PLASMA_RS_OBJECT_IN_USE when the
 * object goes later.
 */
enum PlasmaRsError plasma_rs_store_delete_object(struct PlasmaRsStore *store,
                                                 const struct PlasmaRsObjectId *id);

/**
 * Adds a reference. An object that has one is neither evicted nor deleted.
 *
 * Errors: PLASMA_RS_OBJECT_NONEXISTENT; PLASMA_RS_INVALID_ARGUMENT when it has 2^31 - 1 already.
 */
enum PlasmaRsError plasma_rs_store_add_reference(struct PlasmaRsStore *store,
                                                 const struct PlasmaRsObjectId *id);

/**
 * Takes a reference away. With the last one the object becomes evictable, or goes at once if its deletion
 * was asked for.
 *
 * Errors: PLASMA_RS_OBJECT_NONEXISTENT; PLASMA_RS_NOT_REFERENCED; PLASMA_RS_OBJECT_NOT_SEALED when it is the
 * last one of an object that has to be sealed or aborted first.
 */
enum PlasmaRsError plasma_rs_store_remove_reference(struct PlasmaRsStore *store,
                                                    const struct PlasmaRsObjectId *id);

/**
 * Evicts objects that are sealed and without references, the one released longest ago first, until they
 * have `size` bytes together, or all. `freed` is how many bytes they had.
 */
enum PlasmaRsError plasma_rs_store_require_space(struct PlasmaRsStore *store,
                                                 int64_t size,
                                                 int64_t *freed);

/**
 * How many objects and bytes are in which state, in constant time.
 */
enum PlasmaRsError plasma_rs_store_stats(const struct PlasmaRsStore *store,
                                         struct PlasmaRsStats *stats);

/**
 * As `plasma_rs_allocator_memory`, for the allocator in the store.
 */
enum PlasmaRsError plasma_rs_store_memory(const struct PlasmaRsStore *store,
                                          struct PlasmaRsMemory *memory);

/**
 * As `plasma_rs_allocator_occupancy`, for the allocator in the store.
 */
enum PlasmaRsError plasma_rs_store_occupancy(const struct PlasmaRsStore *store,
                                             double *fractions,
                                             size_t buckets);

/**
 * The state for people to read, in UTF-8, over several lines. As much of it as fits is written to `text`,
 * which has `capacity` bytes, and ended by a 0; `length` is how long the whole text is, without the 0.
 * `text` may be null if `capacity` is 0.
 */
enum PlasmaRsError plasma_rs_store_debug_string(const struct PlasmaRsStore *store,
                                                char *text,
                                                size_t capacity,
                                                size_t *length);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PLASMA_RS_H */
