#!/usr/bin/env bash
# cxx 1.0.N and the generator of its C++ side, cxx-gen 0.7.N, belong together.
set -euo pipefail
version_of() { grep -A1 "^name = \"$1\"$" "$2" | sed -n 's/^version = "\(.*\)"$/\1/p'; }
cxx=$(version_of cxx Cargo.lock)
generator=$(version_of cxx-gen bazel/cxxbridge/Cargo.lock)
echo "cxx $cxx, cxx-gen $generator"
[ -n "$cxx" ] && [ "${cxx##*.}" = "${generator##*.}" ]
