# SPDX-License-Identifier: MIT
"""What a filesystem asks of its medium and of the processor, against a reference.

Operations are counted by the stats device, instructions by callgrind, both of
the workload alone: nothing here depends on how fast or busy the machine is.
The figures of the references (littlefs v2.11.2 on the same geometry with the
same caches, the index of entries, which it has not, kept to 1 KiB here; SPIFFS
with pages of 256 bytes on the same device) are those of the project's issues 3
and 4; the goal of each is a share of them. Formats without a reference stand
beside our own littlefs, in the same workloads.

usage: ./dev bench fs [NAME...] [--grow] [--wear]
  NAME: littlefs, spiffs, minifs, bonsai, fat, ...; all without one
  --grow: cost an entry of littlefs from 10 to 10,000 files
  --wear: how evenly littlefs erases blocks
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


WORK = {row: what for row, what, options, *_ in ROWS if not options}
# row: what, options, then (reference, goal) of calls of read, calls of program, instructions; the reference is always told the layout, and so is our driver but for the last row
SPIFFS = [
    ('a', WORK['a'], [], (112_306, 0.25), (600, 1.0), (189e6, 0.25)),
    ('b', WORK['b'], [], (1_899, 1.0), (14_579, 1.0), (16.2e6, 1.0)),
    ('c', WORK['c'], [], (5_321, 1.0), (0, 1.0), (21.6e6, 1.0)),
    ('d', WORK['d'], [], (526_414, 0.25), (0, 1.0), (612e6, 0.25)),
    ('e', WORK['e'], [], (2_090, 1.0), (5_495, 1.0), (8.3e6, 1.0)),
    ('f', WORK['f'], [], (1_012, 1.0), (0, 1.0), (1.24e6, 1.0)),
    ('g', WORK['g'] + ', told', [], (1_536, 1.0), (0, 1.0), (0.95e6, 1.0)),
    ('g', '... and not told its layout', ['search'], (1_536, 1.0), (0, 1.0), (0.95e6, 1.0)),
]
# every other line of fs_bench's table, in the order of the output; one of a driver that this build has not is passed over
OTHERS = ('spiffs', 'minifs', 'bonsai', 'fat', 'fat-sector')


def run(subject, row, options=()):
    """the counts, None where this build has no such subject"""
    done = subprocess.run([BENCH, subject, row, *options], capture_output=True, text=True)
    if done.returncode == 2 and 'no subject' in done.stderr:
        return None
    if done.returncode:
        return {'skip': done.stderr.strip() or f'it ended with {done.returncode}', 'failed': True}
    return json.loads(done.stdout)


def measure(subject, row, options=()):
    """(the counts of one run, instructions)"""
    counts = run(subject, row, options)
    if not counts or 'skip' in counts:
        return counts, 0
    with tempfile.TemporaryDirectory() as folder:
        out = subprocess.run(['valgrind', '--tool=callgrind', '--toggle-collect=workload', f'--callgrind-out-file={folder}/out',
                              BENCH, subject, row, 'plain', *options], check=True, capture_output=True, text=True).stderr
    return counts, int(re.search(r'Collected : (\d+)', out).group(1))


def cell(value, reference, goal):
    if not reference:
        return f'{value:>10,}         ', value == 0
    ratio = value / reference
    return f'{value:>10,} {ratio:5.3f}{" " if ratio <= goal else "!"}  ', ratio <= goal


def littlefs():
    print(f'{"littlefs":32}{"bytes read":>10} ratio    {"programs":>7} ratio    {"erases":>7} ratio    {"instr.":>7} ratio')
    missed = 0
    for row, what, options, *goals in ROWS:
        counts, instructions = measure('littlefs', row, options)
        values = (counts['read_bytes'], counts['programs'], counts['erases'], instructions)
        cells = [cell(v, *g) for v, g in zip(values, goals)]
        missed += sum(not ok for _, ok in cells)
        print(f'{row} {what:28}' + ''.join(text for text, _ in cells))
    print(f'\nratio: to the reference; "!" is above the goal ({missed} are). Workspace: {counts["workspace"]:,} bytes '
          'with one file open and indexes of 2 metadata pairs, 32 entries each.')


def spiffs():
    print(f'\n{"spiffs":32}{"reads":>10} ratio    {"programs":>7} ratio    {"erases":>10}   {"instr.":>7} ratio')
    missed = 0
    for row, what, options, *goals in SPIFFS:
        counts, instructions = measure('spiffs', row, options)
        if 'skip' in counts:
            print(f'{row} {what:28}  skipped: {counts["skip"]}')
            missed += counts.get('failed', 0)
            continue
        reads, programs, work = (cell(v, *g) for v, g in zip((counts['reads'], counts['program_calls'], instructions), goals))
        missed += sum(not ok for _, ok in (reads, programs, work))
        print(f'{row} {what:28}  {reads[0]}{programs[0]}{counts["erases"]:>10,}   {work[0]}')
    print(f'\nratio: to the reference, in calls; "!" is above the goal ({missed} are).')


def beside_littlefs(subject, own):
    """own: what littlefs takes, by row, filled on the way"""
    print(f'\n{subject:32}{"reads":>10} bytes read    programs      erases      instr.   littlefs: bytes read, programs, erases, instr.')
    for row, what in WORK.items():
        counts, instructions = measure(subject, row)
        if 'skip' in counts:
            print(f'{row} {what:28}  {"FAILED" if counts.get("failed") else "skipped"}: {counts["skip"]}')
            continue
        name = {'a': 'a', 'f': 'list', 'g': 'mount'}.get(row, row)
        row_of = f'{name}:{counts["files"]}' if row in 'afg' else row
        if row_of not in own:
            own[row_of] = measure('littlefs', row_of)
        other, other_instructions = own[row_of]
        few = f' ({counts["files"]} files)' if counts['files'] < {'a': 100, 'f': 500, 'g': 500}.get(row, 0) else ''
        print(f'{row} {what + few:28}  {counts["reads"]:>10,} {counts["read_bytes"]:>10,} {counts["program_calls"]:>11,} {counts["erases"]:>11,}'
              f' {instructions:>11,}   {other["read_bytes"]:>10,} {other["program_calls"]:>7,} {other["erases"]:>7,} {other_instructions:>11,}')


def growth():
    print('\ncost an entry as a directory grows: bytes read and instructions')
    for what in ('create', 'list', 'mount'):
        for amount in (10, 100, 1000, 10_000):
            counts, instructions = measure('littlefs', f'{what}:{amount}')
            print(f'{what:8}{amount:>8,} files {counts["read_bytes"] / amount:>12,.0f} B {instructions / amount:>12,.0f}'
                  f' {counts["programs"] / amount:8.2f} programs')


def spread():
    print('\nerases of the blocks that are written at all: 45,000 writes and 800 restarts, half of the volume never changes')
    for cycles in (-1, 500, 50):
        for seeds, arguments in (('one seed', []), ('a seed a mount', ['reseed'])):
            counts = run('littlefs', 'wear:40000', [f'cycles={cycles}', *arguments])
            written = 512 - counts['never']
            mean = counts['erases'] / written
            print(f'block_cycles {cycles:4}, {seeds:17} {written:4} blocks, least {counts["least"]:3}, mean {mean:5.1f}, '
                  f'most {counts["most"]:5,} = {counts["most"] / mean:4.1f} of the mean')


def main():
    parser = argparse.ArgumentParser(prog='./dev bench fs', description=__doc__.split('\n')[0])
    parser.add_argument('name', nargs='*', help=f'of littlefs, {", ".join(OTHERS)}; all without one')
    parser.add_argument('--grow', action='store_true', help='cost an entry from 10 to 10,000 files')
    parser.add_argument('--wear', action='store_true', help='how evenly blocks are erased')
    options = parser.parse_args()
    if not shutil.which('valgrind'):
        sys.exit('bench fs: valgrind counts the instructions; install it: apt-get install valgrind')
    if set(options.name) - {'littlefs', *OTHERS}:
        sys.exit(f'bench fs: no such filesystem; there are littlefs, {", ".join(OTHERS)}')
    wanted = options.name or ('littlefs', *OTHERS)
    own = {}
    if 'littlefs' in wanted:
        littlefs()
    for subject in OTHERS:
        if subject not in wanted:
            continue
        if run(subject, 'e') is None:
            print(f'\n{subject}: not in this build')
        elif subject == 'spiffs':
            spiffs()
        else:
            beside_littlefs(subject, own)
    if options.grow:
        growth()
    if options.wear:
        spread()


if __name__ == '__main__':
    main()
