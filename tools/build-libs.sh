#!/usr/bin/env bash
# Builds the library for use without Cargo: one static and one shared library that export the C header and the C++ classes.
#
#   tools/build-libs.sh [DIRECTORY]             libray_object_manager.a and .so (default: target/plasma-rs)
#   tools/build-libs.sh --for-ray [DIRECTORY]   libray_object_manager.a for a Ray build, which compiles ray-ffi/src/cpp, and
#                                               ray-ffi/common/src if it wants, itself against its own headers
#                                               (default: target/plasma-rs-for-ray)
#
# Compile with  -I ray-ffi/include -I ray-ffi/common/include -I ray-ffi/standalone/include (C needs the first only; inside Ray
#               the last is Ray's own, and the second may be).
# Link with     DIRECTORY/libray_object_manager.a -lstdc++ -lpthread -ldl -lm
# or with       -L DIRECTORY -lray_object_manager
#
# A Rust static library carries all of Rust's standard library with some 900 global symbols, and collides with the next one.
# So what is needed is linked into one object, in which everything but the names in ray-ffi/exports*.txt is made local.
set -euo pipefail
cd "$(dirname "$0")/.."

name=libray_object_manager
features=() exports=ray-ffi/exports.txt default=plasma-rs
if [ "${1:-}" = --for-ray ]; then
  features=(--no-default-features) exports=ray-ffi/exports-for-ray.txt default=plasma-rs-for-ray
  shift
fi
case ${1:-} in -*) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2 ;; esac
target=${CARGO_TARGET_DIR:-target}
out=${1:-$target/$default}
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cargo build --release -p ray-ffi "${features[@]}"
archive=$target/release/libray_ffi.a

# The archive of either variant lies in the same place, so that its time says nothing.
stamp=$(cat "$archive" "$exports" "$0" | sha256sum)
if [ "$(cat "$out/.made-from" 2>/dev/null)" = "$stamp" ]; then
  ls -l "$out"/$name.*
  exit 0
fi
rm -f "$out/.made-from"

# The patterns, and the same as a regular expression.
grep -v -e '^#' -e '^$' "$exports" >"$work/patterns"
regex=$(sed 's/[$.]/\\&/g; s/\*/.*/g' "$work/patterns" | paste -sd'|')
# readelf, for nm may load a plugin of some LLVM that cannot read the bitcode of Rust's.
readelf -sW "$archive" | awk '($5 == "GLOBAL" || $5 == "WEAK") && $7 != "UND" { print $8 }' | grep -Ex "$regex" |
  sort -u >"$work/roots"
[ -s "$work/roots" ] || { echo "build-libs: nothing to export in $archive" >&2; exit 1; }
sed 's/^/-u /' "$work/roots" >"$work/arguments"

# Groups are dissolved first: two libraries' groups of one name would be merged, and what is local in them would be lost.
ld -r --gc-sections --force-group-allocation -o "$work/linked.o" "@$work/arguments" "$archive"
# Of what was left out ld keeps the undefined symbols, and no longer as weak ones: another library would fail for their sake.
readelf -sW "$work/linked.o" | awk '$7 == "UND" && $8 != "" { print $8 }' >"$work/undefined"
localize=("--strip-unneeded-symbols=$work/undefined" --wildcard "--keep-global-symbols=$work/patterns")
# Without Ray nothing that is hidden is for others; for Ray the functions of the bridges are.
[ -n "${features[*]}" ] || localize+=(--localize-hidden)
# Rust's own objects carry their bitcode too; several in one object are none, and confuse linkers that look for it.
objcopy "${localize[@]}" --strip-debug --remove-section=.llvmbc --remove-section=.llvmcmd "$work/linked.o" "$work/$name.o"
rm -f "$out/$name.a" "$out/$name.so"
ar rcsD "$out/$name.a" "$work/$name.o"

if [ -z "${features[*]}" ]; then
  { echo '{ global:'; sed 's/$/;/' "$work/patterns"; echo 'local: *; };'; } >"$work/versions"
  "${CXX:-g++}" -shared -o "$out/$name.so" "$work/$name.o" -Wl,-soname,$name.so -Wl,--version-script="$work/versions" \
    -Wl,-z,defs -Wl,-z,relro -Wl,-z,now -Wl,--gc-sections -lpthread -ldl -lm
fi
echo "$stamp" >"$out/.made-from"
ls -l "$out"/$name.*
