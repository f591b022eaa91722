#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Builds jansson and libcurl for Windows into the directory that is named, out
# of Debian's own source packages: Debian has no Windows builds of them. apt
# gets the sources from the mirrors that the machine has its packages from, and
# checks their signatures; it takes neither root nor a change to the machine.
#
# libcurl has HTTP only, and Windows' own TLS and certificates.
set -euo pipefail
[ $# = 1 ] || { echo "usage: $0 DIRECTORY" >&2; exit 2; }
ROOT=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
OUT=$(cd "$1" && pwd)
WORK=$OUT/src
[ -e "$OUT/done" ] && exit 0

apt_here() { # an apt whose sources, lists and cache lie in $WORK
    "$@" -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$WORK/sources" \
        -o Dir::State::Lists="$WORK/lists" -o Dir::Cache="$WORK/cache" \
        -o APT::Sandbox::User=
}

rm -rf "$WORK"
mkdir -p "$WORK/sources" "$WORK/lists/partial" "$WORK/cache/archives/partial"
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
    [ -e "$file" ] || continue
    case $file in
    *.sources) sed 's/^Types:.*/Types: deb-src/' "$file" ;;
    *.list) sed -n 's/^deb /deb-src /p' "$file" ;;
    esac >"$WORK/sources/$(basename "$file")"
done
cd "$WORK"
# A mirror of something else need not have sources; what is missing shows next.
apt_here apt-get update >/dev/null 2>&1 || true
apt_here apt-get source jansson curl >/dev/null || {
    echo "$0: the mirrors of this machine have no source packages of jansson and curl" >&2
    exit 3
}

build() { # source options...
    cmake -S "$1" -B "$1-build" -G Ninja --toolchain "$ROOT/cmake/windows.cmake" \
        -DFP_WINDOWS_LIBS="$OUT" -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS=-w \
        -DCMAKE_INSTALL_PREFIX="$OUT" -DBUILD_SHARED_LIBS=OFF "${@:2}" >/dev/null
    cmake --build "$1-build" --target install -- --quiet >/dev/null
}

build jansson-* -DJANSSON_BUILD_DOCS=OFF -DJANSSON_WITHOUT_TESTS=ON -DJANSSON_EXAMPLES=OFF
build curl-[0-9]*[0-9] -DHTTP_ONLY=ON -DCURL_USE_SCHANNEL=ON -DCURL_ZLIB=OFF \
    -DCURL_USE_LIBSSH2=OFF -DBUILD_CURL_EXE=OFF -DBUILD_TESTING=OFF -DENABLE_MANUAL=OFF
rm -rf "$WORK"
touch "$OUT/done"
