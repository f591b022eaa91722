#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Builds jansson and libcurl for Windows into the directory that is named, out
# of Debian's own source packages: Debian has no Windows builds of them.
#
# libcurl has HTTP only, and Windows' own TLS and certificates.
set -euo pipefail
[ $# = 1 ] || { echo "usage: $0 DIRECTORY" >&2; exit 2; }
ROOT=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
OUT=$(cd "$1" && pwd)
WORK=$OUT/src
[ -e "$OUT/done" ] && exit 0

rm -rf "$WORK"
"$ROOT/cmake/debian-source.sh" "$WORK" jansson curl
cd "$WORK"

build() { # source options...
    cmake -S "$1" -B "$1-build" -G Ninja --toolchain "$ROOT/cmake/windows.cmake" \
        -DFP_WINDOWS_LIBS="$OUT" -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS=-w \
        -DCMAKE_INSTALL_PREFIX="$OUT" -DBUILD_SHARED_LIBS=OFF "${@:2}" >/dev/null
    cmake --build "$1-build" --target install -- --quiet >/dev/null
}

build jansson -DJANSSON_BUILD_DOCS=OFF -DJANSSON_WITHOUT_TESTS=ON -DJANSSON_EXAMPLES=OFF
build curl -DHTTP_ONLY=ON -DCURL_USE_SCHANNEL=ON -DCURL_ZLIB=OFF \
    -DCURL_USE_LIBSSH2=OFF -DBUILD_CURL_EXE=OFF -DBUILD_TESTING=OFF -DENABLE_MANUAL=OFF
rm -rf "$WORK"
touch "$OUT/done"
