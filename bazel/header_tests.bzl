"""Every public header compiles alone, and twice in a row; all of them together make two translation units that link."""

load("@rules_cc//cc:defs.bzl", "cc_library", "cc_test")

def _source(name, lines):
    native.genrule(
        name = name + "_source",
        outs = [name],
        cmd = "\n".join(["cat > $@ <<'END'"] + lines + ["END"]),
    )
    return name

def _include(header):
    return "#include \"{}\"".format(header)

def header_tests(name, headers, deps, c_headers = []):
    """Compiles headers; the test passes if all of it compiles and links.

    Args:
      name: the test.
      headers: as a user includes them.
      deps: the libraries that have them.
      c_headers: those among them that are C as well.
    """
    alone = [_source("{}_sources/{}.cc".format(name, header), [_include(header)] * 2) for header in headers]
    alone += [_source("{}_sources/{}.c".format(name, header), [_include(header)] * 2) for header in c_headers]
    cc_library(
        name = name + "_alone",
        testonly = True,
        srcs = alone,
        copts = ["-Werror"],
        linkstatic = True,
        deps = deps,
    )
    includes = [_include(header) for header in headers]
    cc_test(
        name = name,
        size = "small",
        srcs = [
            _source(name + "_sources/first.cc", includes + ["int second();", "int main() { return second(); }"]),
            _source(name + "_sources/second.cc", includes[::-1] + ["int second();", "int second() { return 0; }"]),
        ],
        copts = ["-Werror"],
        deps = deps + [":{}_alone".format(name)],
    )
