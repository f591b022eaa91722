#!/bin/sh
# SPDX-License-Identifier: MIT
# The first 64 KiB of each image with a partition table, as a card and as flash.
# usage: seed_mbr.sh IMAGES CORPUS
set -e
mkdir -p "$2"
for packed in "$1"/mbr_*.img.gz; do
    name=$(basename "$packed" .img.gz)
    for how in 0 4; do
        printf "\\00$how" >"$2/$name.$how"
        gzip -dc "$packed" | head -c 65536 >>"$2/$name.$how"
    done
done
