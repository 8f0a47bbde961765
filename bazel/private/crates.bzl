"""Crates from the registry as Bazel targets, straight from a Cargo.lock.

`cargo_crates` runs `cargo vendor --locked` and `cargo metadata --locked`, so Cargo's lock file is the only list of versions,
Cargo's own resolver the only one, and whatever mirror or offline cache Cargo is set up with serves Bazel too. Each crate
becomes a `rust_library` or `rust_proc_macro` with its build script; `defs.bzl` says what each member of the workspace
needs, and `//bazel:rust.bzl` makes targets of that.

Features are those that Cargo resolves for the whole workspace on this platform, tests included.
"""

_BUILD_HEADER = '''load("@rules_rust//cargo:defs.bzl", "cargo_build_script")
load("@rules_rust//rust:defs.bzl", "rust_library", "rust_proc_macro")

package(default_visibility = ["//visibility:public"])
'''

# What a crate may include besides its modules, examples among it.
_DATA = '''glob(["**"], exclude = ["**/* *", "src/**/*.rs", "BUILD.bazel", ".cargo-checksum.json"], allow_empty = True)'''
_SRCS = '''glob(["**/*.rs"], exclude = ["tests/**", "benches/**", "examples/**"], allow_empty = True)'''

def _run(rctx, command, why):
    result = rctx.execute(command, timeout = 1200, quiet = True)
    if result.return_code != 0:
        fail("{} failed:\n{}".format(why, result.stderr))
    return result.stdout

def _library_target(package):
    for target in package["targets"]:
        for kind in target["kind"]:
            if kind in ["lib", "rlib", "proc-macro", "dylib", "cdylib", "staticlib"]:
                return target
    return None

def _build_script(package):
    for target in package["targets"]:
        if "custom-build" in target["kind"]:
            return target
    return None

def _relative(path, folder):
    return path[len(folder) + 1:]

def _identifier(name):
    return name.replace("-", "_")

def _dependencies(node, packages, kinds, skip = []):
    """The dependencies of one node of cargo's graph that are of the given kinds (None is the normal one)."""
    found = struct(deps = [], proc_macro_deps = [], members = [], aliases = {})
    for dep in node["deps"]:
        if not [kind for kind in dep["dep_kinds"] if kind["kind"] in kinds]:
            continue
        package = packages[dep["pkg"]]
        if package["name"] in skip:
            continue
        if package["source"] == None:
            found.members.append(package["name"])
            continue
        label = "//vendor/{0}-{1}:lib".format(package["name"], package["version"])
        library = _library_target(package)
        if "proc-macro" in library["kind"]:
            found.proc_macro_deps.append(label)
        else:
            found.deps.append(label)
        if dep["name"] != _identifier(library["name"]):
            found.aliases[label] = dep["name"]
    return found

def _crate_build_file(package, node, packages, without_build_script, extra):
    folder = package["manifest_path"][:-len("/Cargo.toml")]
    library = _library_target(package)
    script = None if without_build_script else _build_script(package)
    normal = _dependencies(node, packages, [None])
    lines = [_BUILD_HEADER]
    if script:
        build = _dependencies(node, packages, ["build"])
        lines.append("""cargo_build_script(
    name = "build_script",
    srcs = {srcs},
    aliases = {aliases},
    compile_data = {data},
    crate_features = {features},
    crate_name = "build_script",
    crate_root = "{root}",
    data = glob(["**"], exclude = ["**/* *", "BUILD.bazel"]),
    edition = "{edition}",
    link_deps = {link_deps},
    links = {links},
    pkg_name = "{name}",
    proc_macro_deps = {proc_macro_deps},
    rustc_flags = ["--cap-lints=allow"],
    version = "{version}",
    deps = {deps},
)
""".format(
            srcs = _SRCS,
            aliases = build.aliases,
            data = _DATA,
            features = node["features"],
            root = _relative(script["src_path"], folder),
            edition = script["edition"],
            link_deps = normal.deps,
            links = repr(package["links"]),
            name = package["name"],
            proc_macro_deps = build.proc_macro_deps,
            version = package["version"],
            deps = build.deps,
        ))
    lines.append("""{rule}(
    name = "lib",
    srcs = {srcs},
    aliases = {aliases},
    compile_data = {data},
    crate_features = {features},
    crate_name = "{name}",
    crate_root = "{root}",
    edition = "{edition}",
    proc_macro_deps = {proc_macro_deps},
    rustc_flags = ["--cap-lints=allow"],
    version = "{version}",
    deps = {deps},
)
{extra}""".format(
        rule = "rust_proc_macro" if "proc-macro" in library["kind"] else "rust_library",
        srcs = _SRCS,
        aliases = normal.aliases,
        data = _DATA,
        features = node["features"],
        name = _identifier(library["name"]),
        root = _relative(library["src_path"], folder),
        edition = library["edition"],
        proc_macro_deps = normal.proc_macro_deps,
        version = package["version"],
        deps = normal.deps + ([":build_script"] if script else []),
        extra = extra,
    ))
    return "\n".join(lines)

def _member(package, node, packages, skip, root):
    library = _library_target(package)
    normal = _dependencies(node, packages, [None], skip)
    dev = _dependencies(node, packages, ["dev"], skip)
    return {
        "folder": _relative(package["manifest_path"], root)[:-len("/Cargo.toml")],
        "edition": package["edition"],
        "version": package["version"],
        "features": node["features"],
        "crate_name": _identifier(library["name"]) if library else None,
        "normal": {"deps": normal.deps, "proc_macro_deps": normal.proc_macro_deps, "members": normal.members, "aliases": normal.aliases},
        "dev": {"deps": dev.deps, "proc_macro_deps": dev.proc_macro_deps, "members": dev.members, "aliases": dev.aliases},
    }

def _cargo_crates_impl(rctx):
    cargo = rctx.which("cargo")
    if not cargo:
        fail("cargo is not on PATH: the Rust toolchain lists and fetches the crates")
    manifest = rctx.path(rctx.attr.manifest)
    rctx.path(rctx.attr.lock)  # fetched again when it changes

    # CARGO_BUILD_TARGET_DIR and the like have no part in this; the working folder of `cargo` must be the workspace's.
    _run(rctx, [cargo, "vendor", "--locked", "--versioned-dirs", "--quiet", "--manifest-path", manifest, rctx.path("vendor")], "cargo vendor")
    host = [line for line in _run(rctx, ["rustc", "-vV"], "rustc -vV").splitlines() if line.startswith("host: ")][0][len("host: "):]
    metadata = json.decode(_run(rctx, [cargo, "metadata", "--locked", "--format-version=1", "--filter-platform", host, "--manifest-path", manifest], "cargo metadata"))
    _run(rctx, [
        "find",
        rctx.path("vendor"),
        "-type",
        "f",
        "(",
        "-name",
        "BUILD",
        "-o",
        "-name",
        "BUILD.bazel",
        "-o",
        "-name",
        "WORKSPACE",
        "-o",
        "-name",
        "WORKSPACE.bazel",
        "-o",
        "-name",
        "MODULE.bazel",
        "-o",
        "-name",
        "REPO.bazel",
        ")",
        "-delete",
    ], "find")

    packages = {package["id"]: package for package in metadata["packages"]}
    members = {}
    direct = {}
    for node in metadata["resolve"]["nodes"]:
        package = packages[node["id"]]
        if package["source"] == None:
            if hasattr(rctx, "watch"):  # Bazel 7.1
                rctx.watch(package["manifest_path"])
            members[package["name"]] = _member(package, node, packages, rctx.attr.skip, metadata["workspace_root"])
            for kind in ["normal", "dev"]:
                for key in ["deps", "proc_macro_deps"]:
                    for label in members[package["name"]][kind][key]:
                        direct[label] = True
        elif _library_target(package):
            folder = "vendor/{}-{}".format(package["name"], package["version"])
            rctx.file(folder + "/BUILD.bazel", _crate_build_file(
                package,
                node,
                packages,
                package["name"] in rctx.attr.without_build_script,
                rctx.attr.extra_build.get(package["name"], ""),
            ))

    names = {}
    for label in direct:
        package = [p for p in metadata["packages"] if label == "//vendor/{}-{}:lib".format(p["name"], p["version"])][0]
        names.setdefault(package["name"], label[:-len(":lib")])
    rctx.file("BUILD.bazel", 'package(default_visibility = ["//visibility:public"])\n' + "".join([
        'alias(name = "{}", actual = "{}:lib")\n'.format(name, folder)
        for name, folder in names.items()
    ] + [
        'alias(name = "{}", actual = "{}:{}")\n'.format(target, names[crate], target)
        for target, crate in rctx.attr.extra_targets.items()
    ]))
    rctx.file("defs.bzl", '"""What each member of the Cargo workspace needs."""\n\nMEMBERS = ' + json.encode_indent(members).replace("null", "None") + "\n")

cargo_crates = repository_rule(
    implementation = _cargo_crates_impl,
    doc = "The crates of a Cargo workspace, vendored and with BUILD files.",
    attrs = {
        "manifest": attr.label(mandatory = True, doc = "The workspace's Cargo.toml."),
        "lock": attr.label(mandatory = True, doc = "The workspace's Cargo.lock."),
        "skip": attr.string_list(doc = "Crates that no target depends on: what only benchmarks need, and tests that are Cargo's alone."),
        "without_build_script": attr.string_list(doc = "Crates whose build script is replaced by what is in extra_build."),
        "extra_build": attr.string_dict(doc = "Text added to a crate's BUILD file, by the crate's name."),
        "extra_targets": attr.string_dict(doc = "Targets of extra_build that get an alias in the repository's root, and their crate."),
    },
    environ = ["PATH", "CARGO_HOME", "CARGO_NET_OFFLINE", "RAY_OM_RUSTC"],
)
