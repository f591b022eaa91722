#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# ./dev run: a daemon with three simulated devices, and a URL that opens. One
# serves a copy of a reference image, one starts unformatted and is formatted
# here, and one is laid out as MaixPy does it, with a card in a slot.
#
# usage: demo.sh BIN_DIR DATA_DIR
set -euo pipefail
bin=$(realpath "$1")
mkdir -p "$2"
data=$(realpath "$2")
root=$(cd "$(dirname "$0")/../.." && pwd)
listen=${FLASHPORT_LISTEN:-127.0.0.1:8484}

[ -e "$data/meadow.img" ] ||
    gzip -dc "$root/tests/images/littlefs/deep_b4096.img.gz" >"$data/meadow.img"

pids=()
cleanup() {
    kill "${pids[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
}
trap cleanup EXIT INT TERM

"$bin/flashport-agent" --id meadow --storage flash0="$data/meadow.img",block=4096,prog=256 \
    --mount /flash=flash0 --timing nor --listen pty:"$data/meadow.tty" &
pids+=($!)
"$bin/flashport-agent" --id harbour --storage flash0="$data/harbour.img",block=4096,count=512,prog=256 \
    --mount /flash=flash0:littlefs --format littlefs --timing nor --listen unix:"$data/harbour.sock" &
pids+=($!)

/usr/bin/python3 "$root/tests/tools/maixpy.py" "$data" "$bin/flashport" >"$data/maix.arguments"
mapfile -t maix <"$data/maix.arguments"
"$bin/flashport-agent" --id maix "${maix[@]}" --timing nor --listen unix:"$data/maix.sock" &
pids+=($!)

echo "Three simulated devices: meadow (a serial line, with a reference image), harbour (2 MiB, freshly formatted) and"
echo "maix (firmware, model and SPIFFS in flash, a card with two FAT partitions)."
echo "Pull its card:  mv $data/card.img $data/drawer.img    and put it back:  mv $data/drawer.img $data/card.img"
echo "Stop with Ctrl-C; their flash stays in $data."
"$bin/flashportd" --data "$data/store" --listen "$listen" --socket "$data/flashport.sock" \
    --link "serial:$data/meadow.tty@921600" --link "unix:$data/harbour.sock" \
    --link "unix:$data/maix.sock" &
pids+=($!)
wait "${pids[-1]}"
