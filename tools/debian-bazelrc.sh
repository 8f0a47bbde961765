#!/usr/bin/env bash
# Writes .bazelrc.debian at the workspace's root: where Debian's packages bazel-rules-rust and googletest stand in for the
# archives of bazel/repositories.bzl, and the rustc on PATH for a toolchain that Bazel would fetch. To be run where these
# packages are installed: in the root of tools/debian-root.sh, or in the image of Dockerfile.test.
#
#   tools/debian-bazelrc.sh [FOLDER]     FOLDER: for the few files that Debian's packages lack (default $RAY_OM_CACHE/repositories)
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-${RAY_OM_CACHE:-$HOME/.cache/ray-object-manager}/repositories}

# Debian ships the sources of GoogleTest without its BUILD file, and a crate that rules_rust needs without one.
mkdir -p "$folder/googletest" "$folder/tinyjson"
touch "$folder/googletest/WORKSPACE" "$folder/tinyjson/WORKSPACE"
ln -sfn /usr/src/googletest/googletest "$folder/googletest/googletest"
ln -sfn /usr/src/googletest/googlemock "$folder/googletest/googlemock"
printf 'googletest/googletest/test\ngoogletest/test\ngooglemock/test\n' >"$folder/googletest/.bazelignore"
cat >"$folder/googletest/BUILD.bazel" <<'BUILD'
load("@rules_cc//cc:defs.bzl", "cc_library")

package(default_visibility = ["//visibility:public"])

cc_library(
    name = "gtest_prod",
    hdrs = ["googletest/include/gtest/gtest_prod.h"],
    includes = ["googletest/include"],
)

cc_library(
    name = "gtest",
    srcs = glob(
        ["googletest/src/*.cc", "googletest/src/*.h", "googlemock/src/*.cc", "googletest/include/gtest/internal/**/*.h"],
        exclude = ["googletest/src/gtest-all.cc", "googletest/src/gtest_main.cc", "googlemock/src/gmock-all.cc", "googlemock/src/gmock_main.cc"],
    ),
    hdrs = glob(["googletest/include/gtest/**/*.h", "googlemock/include/gmock/**/*.h"]),
    copts = ["-pthread", "-w"],
    includes = ["googlemock", "googlemock/include", "googletest", "googletest/include"],
    linkopts = ["-pthread"],
)

cc_library(
    name = "gtest_main",
    srcs = ["googlemock/src/gmock_main.cc"],
    deps = [":gtest"],
)
BUILD
tinyjson=$(ls -d /usr/share/cargo/registry/tinyjson-* | head -n 1)
ln -sfn "$tinyjson/src" "$folder/tinyjson/src"
cp /usr/share/bazel/rules/rust/util/process_wrapper/BUILD.tinyjson.bazel "$folder/tinyjson/BUILD.bazel"

new=$(
  echo "# Written by tools/debian-bazelrc.sh"
  override() { if [ -d "$2" ]; then echo "common --override_repository=$1=$2"; fi; }
  override rules_rust /usr/share/bazel/rules/rust
  override rules_rust_tinyjson "$folder/tinyjson"
  override rules_cc /usr/share/bazel/rules/cc
  override rules_java /usr/share/bazel/rules/java
  override rules_license /usr/share/bazel/rules/license
  override rules_proto /usr/share/bazel/rules/proto
  override rules_python /usr/share/bazel/rules/python
  override bazel_skylib /usr/share/bazel/tools/skylib
  override bazel_features /usr/share/bazel/tools/features
  override platforms /usr/share/bazel/tools/platforms
  override com_google_googletest "$folder/googletest"
  echo "build --nosandbox_debug" # Debian switches it on
  echo "build --extra_toolchains=@ray_om_host_rust//:toolchain"
)
# Unchanged, it is left alone.
if [ "$new" != "$(cat .bazelrc.debian 2>/dev/null || true)" ]; then echo "$new" >.bazelrc.debian; fi
