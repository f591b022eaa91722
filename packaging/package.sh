#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Makes the agent as a library for other people's firmware in DIRECTORY: one
# tree that is an Arduino and a PlatformIO library, a Zephyr module and an
# ESP-IDF component (docs/library-packages.md).
#
# Sources lie in src/ by their paths from the root, so that with src/ on the
# include path, as Arduino has it, they compile as they are. The messages, which
# take protoc and nanopb's generator, come made, out of a build's GENERATED.
# FP_URL is where the project lives, which every registry wants to know.
set -euo pipefail
[ $# = 2 ] || { echo "usage: $0 GENERATED DIRECTORY" >&2; exit 2; }
ROOT=$(cd "$(dirname "$0")/.." && pwd)
GENERATED=$(cd "$1" && pwd)
rm -rf "${2:?}"
mkdir -p "$2"
OUT=$(cd "$2" && pwd)

cd "$ROOT"
version=$(sed -n 's/^project(flashport VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
cp -r packaging/library/. "$OUT"
cp LICENSE "$OUT"
sed -i "s,@VERSION@,$version,; s,@URL@,${FP_URL:-https://flashport.example}," \
    "$OUT"/library.json "$OUT"/library.properties "$OUT"/idf_component.yml

# All of the core but what needs an OS, or stands in for a C library.
find core proto device-agent -name '*.[ch]' ! -path 'core/host/*' \
    ! -path 'core/freestanding/*' ! -path 'device-agent/ports/*' |
    while read -r file; do
        mkdir -p "$OUT/src/$(dirname "$file")"
        cp "$file" "$OUT/src/$file"
    done
cp "$GENERATED"/proto/flashport.pb.[ch] "$OUT/src/proto"

# Each example stands alone, as each of these package managers wants it.
cd "$OUT/examples"
mkdir -p platformio/src
cp arduino/arduino.ino platformio/src/main.cpp
for folder in arduino platformio/src zephyr/src esp-idf/main; do
    cp device.c device.h "$folder"
done
rm device.c device.h
