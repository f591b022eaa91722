#!/bin/sh
# SPDX-License-Identifier: MIT
# seed.sh IMAGES CORPUS MAX: golden images of at most MAX bytes as inputs: a
# byte of choices, 0, then the image.
set -eu
mkdir -p "$2"
for gz in $(find "$1" -name '*.img.gz'); do
    seed=$2/seed_$(basename "$(dirname "$gz")")_$(basename "$gz" .img.gz)
    { printf '\0'; gzip -dc "$gz"; } >"$seed"
    [ "$(wc -c <"$seed")" -le "$(($3 + 1))" ] || rm "$seed"
done
