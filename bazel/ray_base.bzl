"""How Ray's build uses this one.

Ray's WORKSPACE:

    local_repository(name = "ray_object_manager", path = "…")   # or http_archive
    load("@ray_object_manager//bazel:repositories.bzl", "ray_object_manager_repositories")
    ray_object_manager_repositories()
    load("@ray_object_manager//bazel:dependencies.bzl", "ray_object_manager_dependencies")
    ray_object_manager_dependencies()

Ray's own base headers must serve then, for a program that sees two versions of one header is broken. All of our C++ takes them
through one flag, whose default is the stand-ins of ray-ffi/standalone. In Ray, a target of Ray's takes their place:

    # BUILD.bazel
    cc_library(
        name = "object_manager_base",
        deps = [
            "//src/ray/common:asio", "//src/ray/common:buffer", "//src/ray/common:file_system_monitor", "//src/ray/common:id",
            "//src/ray/common:metrics", "//src/ray/common:ray_config", "//src/ray/common:status", "//src/ray/common:status_or",
            "//src/ray/common:ray_object", "//src/ray/object_manager:metrics",
            "//src/ray/object_manager/plasma:plasma_generated", "//src/ray/stats:stats_metric",
            "//src/ray/protobuf:common_cc_proto", "//src/ray/raylet_ipc_client:client_connection",
            "//src/ray/util:compat", "//src/ray/util:counter_map", "//src/ray/util:logging", "//src/ray/util:process_utils",
            "//src/ray/util:thread_utils", "@boost//:asio", "@com_github_google_flatbuffers//:flatbuffers",
            "@com_google_absl//absl/container:flat_hash_map", "@com_google_absl//absl/container:flat_hash_set",
            "@com_google_absl//absl/synchronization", "@com_google_absl//absl/types:optional",
            "@com_google_absl//absl/container:node_hash_map", "@com_google_absl//absl/strings",
            "@com_google_absl//absl/strings:str_format", "@com_google_googletest//:gtest_prod",
            "//src/ray/raylet_rpc_client:raylet_client_interface", "//src/ray/rpc:client_call",
        ],
    )

    # .bazelrc
    build --@ray_object_manager//bazel:ray_base=//:object_manager_base

Ids and statuses of ours may serve Ray too. Then src/ray/common/BUILD.bazel keeps the names

    alias(name = "id", actual = "@ray_object_manager//ray-ffi/common:id")

and likewise status and status_or, and in src/ray/common/scheduling all but scheduling_class_util, without their sources. They come
as one. What lies below them goes through a second flag:

    cc_library(
        name = "object_manager_common_base",
        deps = [
            "//src/ray/common:constants", "//src/ray/common:macros", "//src/ray/common:ray_config", "//src/ray/common:source_location",
            "//src/ray/protobuf:common_cc_proto", "//src/ray/util:logging", "//src/ray/util:macros", "//src/ray/util:random",
            "//src/ray/util:visibility", "@boost//:range", "@boost//:system", "@com_google_absl//absl/base:core_headers",
            "@com_google_absl//absl/container:flat_hash_map", "@com_google_absl//absl/container:flat_hash_set",
            "@com_google_absl//absl/container:inlined_vector", "@com_google_absl//absl/hash", "@com_google_absl//absl/strings",
            "@com_google_absl//absl/synchronization", "@com_google_absl//absl/time", "@com_google_protobuf//:protobuf", "@msgpack",
        ],
    )

    build --@ray_object_manager//bazel:ray_common_base=//:object_manager_common_base

None of these targets depends on the targets that are replaced. Then src/ray/object_manager/plasma/BUILD.bazel gives up
the sources of the classes that we have and keeps the names:

    alias(name = "plasma_allocator", actual = "@ray_object_manager//ray-ffi:plasma_allocator")

and likewise plasma_malloc, plasma_allocator_interface, plasma_eviction_policy, plasma_object_store, obj_lifecycle_mgr,
stats_collector, object_manager_plasma_common, fling, plasma_shared_memory, plasma_connection_protocol,
plasma_create_request_queue, plasma_get_request_queue, plasma_store, plasma_store_server_lib, plasma_client and
plasma_client_interface; object_manager_common in src/ray/object_manager; experimental_mutable_object_manager and
experimental_mutable_object_provider in src/ray/core_worker. They come as one: the classes share their Rust state. //src/ray/rpc:client_call
has to be visible to the target above.
"""

load("@rules_cc//cc:defs.bzl", "cc_library")

def plasma_header(name, hdrs, folder = "object_manager/plasma"):
    """One of Ray's targets: its headers, and the library behind all of them.

    Args:
      name: Ray's name of the target.
      hdrs: its headers.
      folder: where in Ray's sources they are.
    """
    cc_library(
        name = name,
        hdrs = ["include/ray/" + folder + "/" + header for header in hdrs],
        deps = [
            ":core",
            ":headers",
        ],
    )
