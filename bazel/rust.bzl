"""Targets for the members of the Cargo workspace, from what Cargo itself says of them (see bazel/private/crates.bzl).

    ray_rust_crate(name = "ray-common")

in ray-common/BUILD.bazel makes the library `ray-common`, `unit_test` from the library's own tests, and one test for each file of
tests/. Dev-dependencies reach the tests alone; benchmarks, and tests with Ray's own store and client (real-peers), are Cargo's.
"""

load("@ray_om_crates//:defs.bzl", "MEMBERS")
load("@rules_rust//rust:defs.bzl", "rust_binary", "rust_library", "rust_static_library", "rust_test")

def _crate(label):
    return Label("@ray_om_crates" + label)

def _member(name):
    return Label("//{}:{}".format(MEMBERS[name]["folder"], name))

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

def _program(name):
    """The label of a program: its name is often the library's, too."""
    return ":bin/" + name

def _rust_tests(name, crate, deps = [], data = [], size = "medium", programs = [], skip_tests = [], **kwargs):
    """The tests of a member: `unit_test`, and one target for each tests/*.rs.

    Args:
      name: the member's name.
      crate: the label of its library.
      deps: what the tests link besides: C++ that the library calls.
      data: what they read at run time.
      size: Bazel's size of the tests.
      programs: the member's programs, which the tests of tests/ run.
      skip_tests: those of tests/ that are Cargo's alone.
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
        crate_features = attributes["crate_features"],
        data = data,
        proc_macro_deps = attributes["proc_macro_deps"],
        rustc_env = env,
        rustc_flags = flags,
        deps = crates + deps,
        **kwargs
    )
    helpers = native.glob(["tests/*/**/*.rs"], allow_empty = True)
    data = data + [_program(program) for program in programs]
    env = env | {
        "CARGO_BIN_EXE_" + program: "$(rootpath {})".format(_program(program))
        for program in programs
    }
    for test in native.glob(["tests/*.rs"], allow_empty = True, exclude = skip_tests):
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

def ray_rust_crate(name, archive = None, programs = {}, **kwargs):
    """The library of a member, its programs, and its tests.

    Args:
      name: the member's name, as in its Cargo.toml.
      archive: if given, the name of a second target: the crate and all it needs as one archive for C and C++.
      programs: the programs of src/bin, which become `bin/<program>`: their names, and their files.
      **kwargs: for the tests.
    """
    attributes = dict(
        srcs = native.glob(["src/**/*.rs"], exclude = ["src/bin/**"]),
        compile_data = native.glob(["**/*.md"], allow_empty = True),
        crate_name = MEMBERS[name]["crate_name"],
        **_attributes(name)
    )
    rust_library(name = name, visibility = ["//visibility:public"], **attributes)
    if archive:
        rust_static_library(name = archive, **attributes)
    for program, source in programs.items():
        of_program = _attributes(name)
        rust_binary(
            name = _program(program)[1:],
            srcs = [source],
            crate_name = program.replace("-", "_"),
            crate_root = source,
            visibility = ["//visibility:public"],
            deps = of_program.pop("deps") + [":" + name],
            **of_program
        )
    _rust_tests(name, ":" + name, programs = programs.keys(), **kwargs)
