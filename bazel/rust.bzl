"""Targets for the members of the Cargo workspace, from what Cargo itself says of them (see bazel/private/crates.bzl).

    ray_rust_crate(name = "ray-common")

in ray-common/BUILD.bazel makes the library `ray-common`, `unit_test` from the library's own tests, and one test for each file of
tests/. Dev-dependencies reach the tests alone; benchmarks are Cargo's.
"""

load("@ray_om_crates//:defs.bzl", "MEMBERS")
load("@rules_rust//rust:defs.bzl", "rust_library", "rust_static_library", "rust_test")

def _crate(label):
    return Label("@ray_om_crates" + label)

def _member(name):
    return Label("//{0}:{0}".format(name))

def _crates(group, key):
    return [_crate(label) for label in group[key]]

def _aliases(*groups):
    return {_crate(label): name for group in groups for label, name in group["aliases"].items()}

def _attributes(name, dev = False):
    """The attributes of a rules_rust rule for a member: edition, version, features and dependencies.

    Args:
      name: the member's name.
      dev: whether dev-dependencies are among the dependencies.

    Returns:
      A dictionary of attributes.
    """
    member = MEMBERS[name]
    groups = [member["normal"]] + ([member["dev"]] if dev else [])
    unique = {label: True for group in groups for label in _crates(group, "deps") + [_member(m) for m in group["members"]]}
    macros = {label: True for group in groups for label in _crates(group, "proc_macro_deps")}
    return {
        "aliases": _aliases(*groups),
        "crate_features": member["features"],
        "deps": unique.keys(),
        "edition": member["edition"],
        "proc_macro_deps": macros.keys(),
        "version": member["version"],
    }

def _rust_tests(name, crate, deps = [], data = [], size = "medium", **kwargs):
    """The tests of a member: `unit_test`, and one target for each tests/*.rs.

    Args:
      name: the member's name.
      crate: the label of its library.
      deps: what the tests link besides: C++ that the library calls.
      data: what they read at run time.
      size: Bazel's size of the tests.
      **kwargs: for each of the tests.
    """
    attributes = _attributes(name, dev = True)
    crates = attributes.pop("deps")

    # Optimised code is what counts in tests of millions of operations; with assertions and overflow checks all the same.
    flags = ["-Cdebug-assertions=on", "-Coverflow-checks=on"]

    if deps:
        flags.append("-Clink-arg=-lstdc++")  # after all archives, for theirs is C++

    # Where a test finds the member's files: it runs in the workspace's root.
    env = {"CARGO_MANIFEST_DIR": native.package_name()}
    rust_test(
        name = "unit_test",
        size = size,
        aliases = attributes["aliases"],
        crate = crate,
        data = data,
        proc_macro_deps = attributes["proc_macro_deps"],
        rustc_env = env,
        rustc_flags = flags,
        deps = crates + deps,
        **kwargs
    )
    helpers = native.glob(["tests/*/**/*.rs"], allow_empty = True)
    for test in native.glob(["tests/*.rs"], allow_empty = True):
        rust_test(
            name = test[len("tests/"):-len(".rs")],
            size = size,
            srcs = [test] + helpers,
            crate_name = test[len("tests/"):-len(".rs")].replace("-", "_"),
            crate_root = test,
            data = data,
            rustc_env = env,
            rustc_flags = flags,
            deps = crates + deps + [crate],
            **(attributes | kwargs)
        )

def ray_rust_crate(name, archive = None, **kwargs):
    """The library of a member, and its tests.

    Args:
      name: the member's name, as in its Cargo.toml.
      archive: if given, the name of a second target: the crate and all it needs as one archive for C and C++.
      **kwargs: for the tests.
    """
    attributes = dict(
        srcs = native.glob(["src/**/*.rs"]),
        compile_data = native.glob(["**/*.md"], allow_empty = True),
        crate_name = MEMBERS[name]["crate_name"],
        **_attributes(name)
    )
    rust_library(name = name, visibility = ["//visibility:public"], **attributes)
    if archive:
        rust_static_library(name = archive, **attributes)
    _rust_tests(name, ":" + name, **kwargs)
