#!/usr/bin/env bash
# Merges static libraries into one object, makes everything local but the names in a list, and writes one static and,
# on demand, one shared library of it. As tools/build-libs.sh does with Cargo's archive; here the archives are Bazel's.
#
#   merge_library.sh EXPORTS HIDE OUT.a OUT.so|- SONAME ARCHIVE...      HIDE: 1 to make hidden names local as well
#
# Environment: LD, OBJCOPY, AR, CXX
set -euo pipefail
exports=$1 hide=$2 archive=$3 shared=$4 soname=$5
shift 5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

grep -v -e '^#' -e '^$' "$exports" >"$work/patterns"
regex=$(sed 's/[$.]/\\&/g; s/\*/.*/g' "$work/patterns" | paste -sd'|')
for input in "$@"; do
  readelf -sW "$input" | awk '($5 == "GLOBAL" || $5 == "WEAK") && $7 != "UND" { print $8 }'
done | grep -Ex "$regex" | sort -u >"$work/roots"
[ -s "$work/roots" ] || { echo "nothing to export in $*" >&2; exit 1; }
sed 's/^/-u /' "$work/roots" >"$work/arguments"

# Why each option: tools/build-libs.sh.
"$LD" -r --gc-sections --force-group-allocation -o "$work/linked.o" "@$work/arguments" --start-group "$@" --end-group
readelf -sW "$work/linked.o" | awk '$7 == "UND" && $8 != "" { print $8 }' >"$work/undefined"
localize=("--strip-unneeded-symbols=$work/undefined" --wildcard "--keep-global-symbols=$work/patterns")
[ "$hide" = 0 ] || localize+=(--localize-hidden)
"$OBJCOPY" "${localize[@]}" --strip-debug --remove-section=.llvmbc --remove-section=.llvmcmd "$work/linked.o" "$work/all.o"
"$AR" rcsD "$archive" "$work/all.o"

if [ "$shared" != - ]; then
  { echo '{ global:'; sed 's/$/;/' "$work/patterns"; echo 'local: *; };'; } >"$work/versions"
  "$CXX" -shared -o "$shared" "$work/all.o" -Wl,-soname,"$soname" -Wl,--version-script="$work/versions" \
    -Wl,-z,defs -Wl,-z,relro -Wl,-z,now -Wl,--gc-sections -lstdc++ -lpthread -ldl -lm
fi
