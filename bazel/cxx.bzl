"""The C++ side of cxx bridges."""

load("@rules_cc//cc:defs.bzl", "cc_library")

def cxx_bridges(name, bridges, include_deps, copts = [], **kwargs):
    """The glue of cxx bridges: a library of their C++ sources, and one of their headers.

    A header is included as in a Cargo build: by the bridge's path from the workspace's root, with ".h" appended.

    The glue calls Rust and Rust calls the glue, so neither can stand before the other on a linker's command line: the glue
    is linked whole, and what depends on it lists the Rust archive after it.

    Args:
      name: the library; its headers alone are `<name>_headers`.
      bridges: the Rust files.
      include_deps: libraries whose headers the bridges include.
      copts: for compiling the glue.
      **kwargs: for both libraries.
    """
    for bridge in bridges:
        native.genrule(
            name = "{}_{}".format(name, bridge.replace("/", "_").replace(".", "_")),
            srcs = [bridge],
            outs = [bridge + ".h", bridge + ".cc"],
            cmd = "$(execpath //bazel/cxxbridge) $(execpath {0}) $(execpath {0}.h) $(execpath {0}.cc)".format(bridge),
            message = "Writing the C++ side of " + bridge,
            tools = [Label("//bazel/cxxbridge")],
        )
    cc_library(
        name = name + "_headers",
        hdrs = [bridge + ".h" for bridge in bridges],
        deps = include_deps,
        **kwargs
    )
    cc_library(
        name = name,
        srcs = [bridge + ".cc" for bridge in bridges],
        # Only what is linked with it calls it.
        copts = copts + ["-fvisibility=hidden"],
        linkstatic = True,
        alwayslink = True,
        deps = [":{}_headers".format(name), Label("@ray_om_crates//:cxx_cc")],
        **kwargs
    )
