# SPDX-License-Identifier: MIT
"""What a filesystem asks of the flash and of the processor, against a reference.

Operations are counted by the stats device, instructions by callgrind, both of
the workload alone: nothing here depends on how fast or busy the machine is.
The reference's figures (littlefs v2.11.2, the same geometry and caches; the
index of entries, which it has not, is kept to 1 KiB here) are
those of the project's issue 3; the goal of each is a share of them.

usage: ./dev bench fs [--grow] [--wear]
  --grow: cost an entry from 10 to 10,000 files
  --wear: how evenly blocks are erased
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

BENCH = pathlib.Path(os.environ['FP_BIN']) / 'fs_bench'

# row: what, options, then (reference, goal) of bytes read, programs, erases, instructions
ROWS = [
    ('a', 'create 100 files of 200 B', [], (27_558 * 256, 0.25), (359, 0.6), (31, 0.6), (73.1e6, 0.25)),
    ('b', 'write 1 MiB in 4 KiB pieces', [], (4_373 * 256, 1.0), (4106, 1.0), (257, 1.0), (19.7e6, 0.6)),
    ('c', 'read it in sequence', [], (5_119 * 256, 0.85), (0, 1.0), (0, 1.0), (20.7e6, 0.6)),
    ('d', '2,000 random reads of 64 B', [], (10_640 * 256, 0.65), (0, 1.0), (0, 1.0), (22.7e6, 0.25)),
    ('d', '... with 1 KiB of addresses', ['entries=32,addresses=256'], (10_640 * 256, 0.26), (0, 1.0), (0, 1.0), (22.7e6, 0.25)),
    ('e', 'overwrite 100 B 500 times', [], (12_695 * 256, 0.25), (501, 1.0), (31, 1.0), (35.1e6, 0.25)),
    ('f', 'list 500 files', [], (4_225 * 256, 0.25), (0, 1.0), (0, 1.0), (6.2e6, 0.25)),
    ('g', 'mount with 500 files', [], (260 * 256, 1.0), (0, 1.0), (0, 1.0), (1.2e6, 0.25)),
]


def measure(row, options):
    """(the counts of one run, instructions)"""
    done = subprocess.run([BENCH, row, *options], check=True, capture_output=True, text=True)
    with tempfile.TemporaryDirectory() as folder:
        out = subprocess.run(['valgrind', '--tool=callgrind', '--toggle-collect=workload', f'--callgrind-out-file={folder}/out',
                              BENCH, row, 'plain', *options], check=True, capture_output=True, text=True).stderr
    return json.loads(done.stdout), int(re.search(r'Collected : (\d+)', out).group(1))


def cell(value, reference, goal):
    if not reference:
        return f'{value:>10,}         ', value == 0
    ratio = value / reference
    return f'{value:>10,} {ratio:5.3f}{" " if ratio <= goal else "!"}  ', ratio <= goal


def table():
    print(f'{"workload":32}{"bytes read":>10} ratio    {"programs":>7} ratio    {"erases":>7} ratio    {"instr.":>7} ratio')
    missed = 0
    for row, what, options, *goals in ROWS:
        counts, instructions = measure(row, options)
        values = (counts['read_bytes'], counts['programs'], counts['erases'], instructions)
        cells = [cell(v, *g) for v, g in zip(values, goals)]
        missed += sum(not ok for _, ok in cells)
        print(f'{row} {what:28}' + ''.join(text for text, _ in cells))
    print(f'\nratio: to the reference; "!" is above the goal ({missed} are). Workspace: {counts["workspace"]:,} bytes '
          'with one file open and indexes of 2 metadata pairs, 32 entries each.')


def growth():
    print('\ncost an entry as a directory grows: bytes read and instructions')
    for what in ('create', 'list', 'mount'):
        for amount in (10, 100, 1000, 10_000):
            counts, instructions = measure(f'{what}:{amount}', [])
            print(f'{what:8}{amount:>8,} files {counts["read_bytes"] / amount:>12,.0f} B {instructions / amount:>12,.0f}'
                  f' {counts["programs"] / amount:8.2f} programs')


def spread():
    print('\nerases of the blocks that are written at all: 45,000 writes and 800 restarts, half of the volume never changes')
    for cycles in (-1, 500, 50):
        for seeds, arguments in (('one seed', []), ('a seed a mount', ['reseed'])):
            counts = json.loads(subprocess.run([BENCH, 'wear:40000', f'cycles={cycles}', *arguments], check=True, capture_output=True,
                                               text=True).stdout)
            written = 512 - counts['never']
            mean = counts['erases'] / written
            print(f'block_cycles {cycles:4}, {seeds:17} {written:4} blocks, least {counts["least"]:3}, mean {mean:5.1f}, '
                  f'most {counts["most"]:5,} = {counts["most"] / mean:4.1f} of the mean')


def main():
    parser = argparse.ArgumentParser(prog='./dev bench fs', description=__doc__.split('\n')[0])
    parser.add_argument('--grow', action='store_true', help='cost an entry from 10 to 10,000 files')
    parser.add_argument('--wear', action='store_true', help='how evenly blocks are erased')
    options = parser.parse_args()
    if not shutil.which('valgrind'):
        sys.exit('bench fs: valgrind counts the instructions; install it: apt-get install valgrind')
    table()
    if options.grow:
        growth()
    if options.wear:
        spread()


if __name__ == '__main__':
    main()
