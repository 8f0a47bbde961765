"""A Rust toolchain around the rustc on PATH, for machines that cannot fetch one: `--extra_toolchains=@ray_om_host_rust//:toolchain`."""

_BUILD = '''load("@rules_rust//rust:toolchain.bzl", "rust_stdlib_filegroup", "rust_toolchain")

package(default_visibility = ["//visibility:public"])

filegroup(name = "rustc", srcs = ["bin/rustc"])
filegroup(name = "rustdoc", srcs = ["bin/rustdoc"])
filegroup(name = "cargo", srcs = ["bin/cargo"])

filegroup(
    name = "rustc_lib",
    srcs = glob(["lib/*.so*", "std/*.so"], allow_empty = True),
)

rust_stdlib_filegroup(
    name = "rust_std",
    # The .rmeta files: since Rust 1.95 the .rlib files hold no metadata of their own.
    srcs = glob(["std/*.rlib", "std/*.rmeta", "std/*.so", "std/*.a", "std/self-contained/**"], allow_empty = True),
)

rust_toolchain(
    name = "rust",
    binary_ext = "",
    cargo = ":cargo",
    default_edition = "2021",
    dylib_ext = ".so",
    exec_triple = "{triple}",
    rust_doc = ":rustdoc",
    rust_std = ":rust_std",
    rustc = ":rustc",
    rustc_lib = ":rustc_lib",
    staticlib_ext = ".a",
    stdlib_linkflags = ["-lpthread", "-ldl"],
    target_triple = "{triple}",
)

toolchain(
    name = "toolchain",
    exec_compatible_with = ["@platforms//os:linux"],
    target_compatible_with = ["@platforms//os:linux"],
    toolchain = ":rust",
    toolchain_type = "@rules_rust//rust:toolchain_type",
)
'''

def _output(rctx, command):
    result = rctx.execute(command)
    if result.return_code != 0:
        fail("{} failed:\n{}".format(" ".join([str(word) for word in command]), result.stderr))
    return result.stdout

def _host_rust_impl(rctx):
    version = _output(rctx, ["rustc", "-vV"])
    triple = [line for line in version.splitlines() if line.startswith("host: ")][0][len("host: "):]
    sysroot = rctx.path(_output(rctx, ["rustc", "--print", "sysroot"]).strip())
    for tool in ["rustc", "rustdoc", "cargo"]:
        rctx.symlink(sysroot.get_child("bin", tool), "bin/" + tool)
    rctx.symlink(sysroot.get_child("lib", "rustlib", triple, "lib"), "std")

    # A distribution's rustc finds its compiler library in the system's path; rustup's lies beside it.
    if sysroot != rctx.path("/usr"):
        rctx.symlink(sysroot.get_child("lib"), "lib")
    rctx.file("BUILD.bazel", _BUILD.format(triple = triple))

host_rust = repository_rule(
    implementation = _host_rust_impl,
    doc = "Wraps the rustc, rustdoc and cargo on PATH.",
    environ = ["PATH", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "RAY_OM_RUSTC"],
    local = True,
)
