#!/usr/bin/env bash
# Checks what the libraries of tools/build-libs.sh export: all that the headers promise, and nothing else.
#
#   tools/check-exports.sh [DIRECTORY] [DIRECTORY-FOR-RAY]    (default: target/plasma-rs, target/plasma-rs-for-ray)
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
plain=${1:-$target/plasma-rs}
for_ray=${2:-$target/plasma-rs-for-ray}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
fail() { echo "check-exports: $*" >&2; failures=$((failures + 1)); }

regex_of() { grep -v -e '^#' -e '^$' "$1" | sed 's/[$.]/\\&/g; s/\*/.*/g' | paste -sd'|'; }
exported() { nm "$@" --defined-only | awk 'NF == 3 { print $3 }' | sort -u; }

# Names of Rust's, of cxx's and of crates', however they are mangled; and what Ray's version script would pick up.
foreign='_R.*|.*17h[0-9a-f]{16}E.*|__rust.*|rust_.*|.*cxxbridge1[$].*|.*alloc.*_error.*handler.*|_ZN?K?St.*|_ZNK?S[abisod].*'
specialized='_ZNKSt4hashIN3ray.*'
rays='.*ray.*(ObjectID|Status|TaskID|ActorID|JobID|NodeID|WorkerID|Buffer|RayLog|RayConfig|core).*|.*(Java_|PyInit_).*'

check() { # FILE PATTERNS nm-options...
  local file=$1 patterns=$2
  shift 2
  [ -e "$file" ] || { fail "$file is missing; run tools/build-libs.sh"; return; }
  exported "$@" "$file" >"$work/symbols"
  grep -Evx "$(regex_of "$patterns")" "$work/symbols" >"$work/unexpected" || true
  [ ! -s "$work/unexpected" ] || fail "$file exports what it should not:" $'\n'"$(c++filt <"$work/unexpected" | head -20)"
  # A specialization for a class of Ray's has std in its name and is ours all the same.
  if grep -Evx "$specialized" "$work/symbols" | grep -Ex "$foreign" >"$work/unexpected"; then
    fail "$file exports what is not ours:" $'\n'"$(c++filt <"$work/unexpected" | head -20)"
  fi
  echo "$file exports $(wc -l <"$work/symbols") symbols"
}

# What the headers declare out of line must be there: every function of the C header, and a class from each C++ header.
check_promised() {
  grep -oE '\bplasma_rs_[a-z_]+\(' ray-ffi/include/plasma_rs.h | tr -d '(' | sort -u >"$work/promised"
  cat >>"$work/promised" <<'END'
_ZN6plasma11ObjectStoreC1ERNS_10IAllocatorE
_ZN6plasma15PlasmaAllocator8AllocateEm
_ZN6plasma8LRUCache6RemoveERKN3ray8ObjectIDE
_ZN6plasma14EvictionPolicy12RequireSpaceElRSt6vectorIN3ray8ObjectIDESaIS3_EE
_ZN6plasma22ObjectLifecycleManager12RequireSpaceEl
_ZN6plasma20ObjectStatsCollectorC1Ev
_ZN6plasma8internal16GetMallocMapinfoEPKvPSt4pairIilEPlS6_
_Z7send_fdii
_ZN6plasma18CreateRequestQueue15ProcessRequestsEv
_ZN6plasma15GetRequestQueue16MarkObjectSealedERKN3ray8ObjectIDE
_ZN6plasma6Client6SendFdESt4pairIilE
_ZN6plasma20ClientMmapTableEntryD1Ev
_ZN6plasma11PlasmaStore5StartEv
_ZN6plasma17PlasmaStoreRunner4StopEv
_ZN6plasma19plasma_store_runnerE
_ZN6plasma12PlasmaClient10DisconnectEv
_ZTVN6plasma12PlasmaClientE
_ZTVN6plasma15PlasmaAllocatorE
_ZTIN6plasma15PlasmaAllocatorE
END
  sort -u "$work/promised" | comm -23 - "$work/symbols" >"$work/lacking"
  [ ! -s "$work/lacking" ] || fail "$1 lacks:" $'\n'"$(c++filt <"$work/lacking")"
}

check "$plain/libray_object_manager.a" ray-ffi/exports.txt -g
check_promised "$plain/libray_object_manager.a"
check "$plain/libray_object_manager.so" ray-ffi/exports.txt -D
check_promised "$plain/libray_object_manager.so"
readelf -d "$plain/libray_object_manager.so" | grep -q 'SONAME.*\[libray_object_manager\.so\]' || fail "no soname"
! readelf -d "$plain/libray_object_manager.so" | grep -q TEXTREL || fail "the shared library has text relocations"

if [ -e "$for_ray/libray_object_manager.a" ]; then
  check "$for_ray/libray_object_manager.a" ray-ffi/exports-for-ray.txt -g
  if grep -Ex "$rays" "$work/symbols" >"$work/unexpected"; then
    fail "Ray would export:" $'\n'"$(c++filt <"$work/unexpected")"
  fi
  # A shared library that holds it shows no bridge: those are hidden.
  visible=$(readelf -sW "$for_ray/libray_object_manager.a" |
    awk '$5 == "GLOBAL" && $6 == "DEFAULT" && $7 != "UND" && $8 ~ /plasma_rs/ { print $8 }')
  [ -z "$visible" ] || fail "not hidden:" $'\n'"$(c++filt <<<"$visible")"
fi
[ "$failures" = 0 ] && echo "check-exports: as it should be"
