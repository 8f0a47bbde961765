/* A store from C: puts objects, seals them, evicts, falls back to disk, and says what happened.
 * Ends with 0 if all of it went as it should. tools/build-libs.sh says how to compile and link it. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plasma_rs.h"

enum { KIB = 1024, MIB = 1024 * KIB, OBJECT_SIZE = 3 * MIB, METADATA_SIZE = 16 };

static int deleted; /* How many objects the store told us of. */

static void expect(enum PlasmaRsError error, enum PlasmaRsError expected, const char *what) {
  if (error != expected) {
    fprintf(stderr, "%s: %s (%s), not %s\n", what, plasma_rs_error_name((int32_t)error),
            plasma_rs_last_error_message(), plasma_rs_error_name((int32_t)expected));
    exit(1);
  }
}

static void expect_count(int64_t count, int64_t expected, const char *what) {
  if (count != expected) {
    fprintf(stderr, "%s: %" PRId64 ", not %" PRId64 "\n", what, count, expected);
    exit(1);
  }
}

static PlasmaRsObjectId id_of(int number) {
  PlasmaRsObjectId id;
  memset(&id, 0, sizeof(id));
  memcpy(id.bytes, &number, sizeof(number));
  return id;
}

static void on_delete(const PlasmaRsObjectId *id, void *user_data) {
  int number;
  memcpy(&number, id->bytes, sizeof(number));
  printf("  object %d has gone\n", number);
  ++*(int *)user_data;
}

/* Creates, fills and seals an object; it keeps its creator's reference. */
static PlasmaRsObject put(PlasmaRsStore *store, int number, bool allow_fallback) {
  const PlasmaRsObjectId id = id_of(number);
  PlasmaRsObject object;
  expect(plasma_rs_store_create_object(store, &id, OBJECT_SIZE, METADATA_SIZE, allow_fallback,
                                       &object),
         PLASMA_RS_OK, "create");
  memset(object.data, number, OBJECT_SIZE);
  memset(object.metadata, 'm', METADATA_SIZE);
  expect(plasma_rs_store_seal_object(store, &id), PLASMA_RS_OK, "seal");
  printf("put object %d: %" PRId64 " bytes at offset %" PRId64 " of %s\n", number,
         object.data_size, object.allocation.offset,
         object.allocation.fallback_allocated ? "a file on disk" : "the primary region");
  return object;
}

static void release(PlasmaRsStore *store, int number) {
  const PlasmaRsObjectId id = id_of(number);
  expect(plasma_rs_store_remove_reference(store, &id), PLASMA_RS_OK, "remove reference");
}

static void evict_and_fall_back(PlasmaRsStore *store) {
  int number;
  for (number = 1; number <= 5; number++) {
    put(store, number, false);
  }
  release(store, 1);
  release(store, 2);
  printf("object 6 has no room, unless 1 or 2 goes:\n");
  put(store, 6, false);
  expect_count(deleted, 2, "evicted; a fifth of the capacity goes at once, which takes both");

  put(store, 7, false);
  printf("all of it is in use now, so object 8 goes to disk:\n");
  if (!put(store, 8, true).allocation.fallback_allocated) {
    fprintf(stderr, "object 8 is not a file\n");
    exit(1);
  }
  const PlasmaRsObjectId no_room = id_of(9);
  PlasmaRsObject object;
  expect(plasma_rs_store_create_object(store, &no_room, OBJECT_SIZE, 0, false, &object),
         PLASMA_RS_OUT_OF_MEMORY, "create without fallback");
  printf("object 9 may not: %s\n", plasma_rs_last_error_message());
}

static void delete_and_evict(PlasmaRsStore *store) {
  const PlasmaRsObjectId third = id_of(3), unsealed = id_of(10), nobody = id_of(99);
  PlasmaRsObject object;
  int64_t freed = 0;
  expect(plasma_rs_store_delete_object(store, &third), PLASMA_RS_OBJECT_IN_USE, "delete in use");
  printf("object 3 is deleted when it is released:\n");
  release(store, 3);
  expect_count(deleted, 3, "deleted");
  expect(plasma_rs_store_get_object(store, &third, &object), PLASMA_RS_OBJECT_NONEXISTENT, "get");

  release(store, 4);
  printf("room for one byte is required:\n");
  expect(plasma_rs_store_require_space(store, 1, &freed), PLASMA_RS_OK, "require space");
  expect_count(freed, OBJECT_SIZE + METADATA_SIZE, "freed");

  expect(plasma_rs_store_create_object(store, &unsealed, 100, 0, false, &object), PLASMA_RS_OK,
         "create");
  expect(plasma_rs_store_remove_reference(store, &unsealed), PLASMA_RS_OBJECT_NOT_SEALED,
         "release unsealed");
  expect(plasma_rs_store_create_object(store, &unsealed, 100, 0, false, &object),
         PLASMA_RS_OBJECT_EXISTS, "create twice");
  expect(plasma_rs_store_abort_object(store, &unsealed), PLASMA_RS_OK, "abort");
  expect(plasma_rs_store_add_reference(store, &nobody), PLASMA_RS_OBJECT_NONEXISTENT, "add");
  expect_count(deleted, 4, "told of");
}

static void refuse_nonsense(PlasmaRsStore *store) {
  const PlasmaRsObjectId id = id_of(11);
  PlasmaRsOptions options = plasma_rs_default_options();
  PlasmaRsStore *other = NULL;
  PlasmaRsObject object;
  expect(plasma_rs_store_create_object(store, &id, -1, 0, true, &object),
         PLASMA_RS_INVALID_ARGUMENT, "negative size");
  expect(plasma_rs_store_create_object(store, &id, INT64_MAX, INT64_MAX, true, &object),
         PLASMA_RS_INVALID_ARGUMENT, "sizes that overflow");
  expect(plasma_rs_store_create_object(store, &id, INT64_MAX, 0, true, &object),
         PLASMA_RS_OUT_OF_MEMORY, "size near 2^63");
  expect(plasma_rs_store_create_object(store, NULL, 1, 0, true, &object),
         PLASMA_RS_INVALID_ARGUMENT, "no id");
  expect(plasma_rs_store_get_object(NULL, &id, &object), PLASMA_RS_INVALID_ARGUMENT, "no store");
  options.footprint_limit = 2048;
  expect(plasma_rs_store_create(&options, NULL, NULL, &other), PLASMA_RS_INVALID_ARGUMENT, "limit");
  options.footprint_limit = MIB;
  options.plasma_directory = "/nowhere";
  expect(plasma_rs_store_create(&options, NULL, NULL, &other), PLASMA_RS_INIT_FAILED, "directory");
  printf("as it should be: %s\n", plasma_rs_last_error_message());
}

static void allocate_alone(const PlasmaRsOptions *options) {
  PlasmaRsAllocator *allocator = NULL;
  PlasmaRsAllocation inside, outside;
  PlasmaRsMemory memory;
  expect(plasma_rs_allocator_create(options, &allocator), PLASMA_RS_OK, "allocator");
  expect(plasma_rs_allocator_allocate(allocator, 10 * MIB, &inside), PLASMA_RS_OK, "allocate");
  expect(plasma_rs_allocator_allocate(allocator, 10 * MIB, &outside), PLASMA_RS_OUT_OF_MEMORY,
         "allocate more than there is");
  expect(plasma_rs_allocator_fallback_allocate(allocator, 10 * MIB, &outside), PLASMA_RS_OK,
         "fallback allocate");
  memset(outside.address, 1, (size_t)outside.size);
  expect(plasma_rs_allocator_memory(allocator, &memory), PLASMA_RS_OK, "memory");
  expect_count(memory.allocated, 20 * MIB, "allocated");
  expect_count(memory.fallback_allocated, 10 * MIB, "fallback allocated");
  expect(plasma_rs_allocator_free(allocator, inside.address), PLASMA_RS_OK, "free");
  expect(plasma_rs_allocator_free(allocator, inside.address), PLASMA_RS_NOT_ALLOCATED, "free twice");
  expect(plasma_rs_allocator_free(allocator, outside.address), PLASMA_RS_OK, "free the file");
  plasma_rs_allocator_destroy(allocator);
}

static void report(PlasmaRsStore *store) {
  double used[16];
  char text[2048];
  size_t length = 0, i;
  PlasmaRsStats stats;
  PlasmaRsMemory memory;
  expect(plasma_rs_store_stats(store, &stats), PLASMA_RS_OK, "stats");
  expect(plasma_rs_store_memory(store, &memory), PLASMA_RS_OK, "memory");
  expect(plasma_rs_store_occupancy(store, used, 16), PLASMA_RS_OK, "occupancy");
  expect(plasma_rs_store_debug_string(store, text, sizeof(text), &length), PLASMA_RS_OK, "text");
  expect_count(stats.created_total.objects, 9, "created");
  expect_count(stats.in_use.objects, 4, "in use");
  expect_count(stats.fallback_bytes_sealed, OBJECT_SIZE + METADATA_SIZE, "on disk");
  expect_count((int64_t)strlen(text), (int64_t)length, "length of the text");
  printf("%" PRId64 " of %" PRId64 " bytes are allocated, %" PRId64 " of them on disk; occupancy:",
         memory.allocated, memory.footprint_limit, memory.fallback_allocated);
  for (i = 0; i < 16; i++) {
    printf(" %.0f%%", 100 * used[i]);
  }
  printf("\n%s\n", text);
}

int main(void) {
  PlasmaRsOptions options = plasma_rs_default_options();
  PlasmaRsStore *store = NULL;
  options.footprint_limit = 16 * MIB;
  expect(plasma_rs_store_create(&options, on_delete, &deleted, &store), PLASMA_RS_OK, "store");
  evict_and_fall_back(store);
  delete_and_evict(store);
  refuse_nonsense(store);
  report(store);
  plasma_rs_store_destroy(store);
  allocate_alone(&options);
  printf("done\n");
  return 0;
}
