"""Rules, toolchains and crates: second of three steps, see WORKSPACE."""

load("@rules_rust//rust:repositories.bzl", "rules_rust_dependencies", "rust_register_toolchains")
load("//bazel/private:crates.bzl", "cargo_crates")
load("//bazel/private:host_rust.bzl", "host_rust")

# cxx 1.0.205 needs Rust 1.88; rules_rust 0.54 knows no .rmeta beside the standard library's .rlib, as Rust 1.95 has them.
RUST_VERSION = "1.94.0"

# cxx's own C++ is compiled by Bazel, with the toolchain and the flags of everything else, not by the crate's build script.
_CXX_CC = '''
load("@rules_cc//cc:defs.bzl", "cc_library")

cc_library(
    name = "cxx_cc",
    srcs = ["src/cxx.cc"],
    hdrs = ["include/cxx.h"],
    alwayslink = True,
    copts = ["-fvisibility=hidden"],
    include_prefix = "rust",
    linkstatic = True,
    strip_include_prefix = "include",
)
'''

def ray_object_manager_dependencies(register_rust_toolchains = True):
    """Declares what the build rules need, and the crates.

    Args:
      register_rust_toolchains: False in a workspace that registers Rust toolchains of its own (1.88 or newer).
    """
    rules_rust_dependencies()
    if register_rust_toolchains:
        rust_register_toolchains(edition = "2021", versions = [RUST_VERSION])
    host_rust(name = "ray_om_host_rust")
    cargo_crates(
        name = "ray_om_crates",
        extra_build = {"cxx": _CXX_CC},
        extra_targets = {"cxx_cc": "cxx"},
        lock = Label("//:Cargo.lock"),
        manifest = Label("//:Cargo.toml"),
        skip = ["criterion", "real-peers"],
        without_build_script = ["cxx", "link-cplusplus"],
    )
    cargo_crates(
        name = "ray_om_cxxbridge_crates",
        lock = Label("//bazel/cxxbridge:Cargo.lock"),
        manifest = Label("//bazel/cxxbridge:Cargo.toml"),
    )
