#!/bin/sh
# SPDX-License-Identifier: MIT
# seed_littlefs.sh IMAGES CORPUS: the golden images of at most 64 KiB as inputs
# of fuzz_littlefs: a byte of choices (here: ask the volume, any unit, write,
# make the CRCs good), then the image.
set -eu
mkdir -p "$2"
for gz in "$1"/*.img.gz; do
    seed=$2/seed_$(basename "$gz" .img.gz)
    { printf '\0'; gzip -dc "$gz"; } >"$seed"
    [ "$(wc -c <"$seed")" -le 65537 ] || rm "$seed"
done
