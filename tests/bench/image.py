# SPDX-License-Identifier: MIT
"""How long the image tools take: create, extract and check of 16 MiB with 2,000 files.

Bonsai and minifs hold as much of that as their formats let them. For FAT the same is done by mkfs.fat with mcopy,
mcopy and fsck.fat in turns with ours; the goal is half of their wall time. The tree is compared after extracting.
All lies in memory (/dev/shm) so that no disk is measured: ours also waits until an image is on disk, theirs does not.

usage: ./dev bench image [--runs N]
"""
import argparse
import filecmp
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

BIN = pathlib.Path(os.environ['FP_BIN'])
FLASHPORT = str(BIN / 'flashport')
MIB = 1 << 20
SIZE, FILES, FOLDERS = 16 * MIB, 2000, 20
GOAL = 0.5  # of the peer's time
# files that the format can hold in 16 MiB, and how the image is laid out
KINDS = {
    'littlefs': (FILES, ['--block-size', '4096', '--block-count', str(SIZE // 4096)]),
    'fat': (FILES, ['--block-size', '512', '--block-count', str(SIZE // 512)]),
    # ids and pages are counted in 16 bits: the pages are larger than usual
    'spiffs': (FILES, ['--block-size', '8192', '--block-count', str(SIZE // 8192), '--page-size', '512']),
    # no larger than 2 MiB
    'bonsai': (350, ['--block-size', '256', '--block-count', '8192']),
    # a block a file, and one block lists them all
    'minifs': (250, ['--block-size', '65536', '--block-count', str(SIZE // 65536)]),
}


def make_tree(folder, count, flat=False):
    """Files of 1 to 7 KiB in 20 folders; short names and one folder where the format has no more."""
    random.seed(7)
    for i in range(count):
        place = folder if flat else folder / f'd{i % FOLDERS:02d}'
        place.mkdir(parents=True, exist_ok=True)
        (place / f'file{i:04d}').write_bytes(random.randbytes(random.randrange(1024, 7 * 1024)))


def run(*argv, env=None):
    done = subprocess.run([str(a) for a in argv], capture_output=True, env=env)
    if done.returncode:
        sys.exit(f'bench: {argv[0]} {argv[1]}: {done.stderr.decode(errors="replace").strip()}')


def same(a, b):
    compared = filecmp.dircmp(a, b)
    files = sorted(compared.common_files)
    _, differ, odd = filecmp.cmpfiles(a, b, files, shallow=False)
    alone = compared.left_only or compared.right_only
    return not alone and not differ and not odd and all(same(a / d, b / d) for d in compared.common_dirs)


def aside(out):
    """What was extracted before is deleted with all the rest: deleting just before creating would cost the latter."""
    if out.exists():
        out.rename(out.with_name(f'{out.name}.{time.monotonic_ns()}'))


def timed(work):
    start = time.monotonic()
    work()
    return time.monotonic() - start


def ours(fs, folder, tree):
    """(create, extract, check) as functions."""
    image, out = folder / f'{fs}.img', folder / f'{fs}.out'

    def extract():
        aside(out)
        run(FLASHPORT, 'image', 'extract', image, out, '--fs', fs)

    return (lambda: run(FLASHPORT, 'image', 'create', image, tree, '--fs', fs, '--force', *KINDS[fs][1]),
            extract, lambda: run(FLASHPORT, 'image', 'check', image, '--fs', fs)), out


def theirs(folder, tree):
    """mkfs.fat and mcopy, mcopy, fsck.fat."""
    image, out = folder / 'peer.img', folder / 'peer.out'
    env = {**os.environ, 'MTOOLS_SKIP_CHECK': '1'}

    def create():
        image.unlink(missing_ok=True)
        run('mkfs.fat', '-C', image, SIZE // 1024)
        run('mcopy', '-s', '-i', image, *sorted(tree.iterdir()), '::', env=env)

    def extract():
        aside(out)
        out.mkdir()
        run('mcopy', '-s', '-n', '-i', image, '::*', out, env=env)

    return (create, extract, lambda: run('fsck.fat', '-n', image)), out


TIMES = (1, 1, 5)  # in a turn: a check takes only a few milliseconds


def measure(runs, *sides):
    """Medians of each side's steps; the sides take turns."""
    times = [[[] for _ in steps] for steps in sides]
    for _ in range(runs):
        for step in range(3):
            for _ in range(TIMES[step]):
                for side, steps in enumerate(sides):
                    times[side][step].append(timed(steps[step]))
    return [[statistics.median(t) for t in side] for side in times]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--runs', type=int, default=15)
    args = parser.parse_args()
    missed = 0
    print(f'{"":10}{"files":>6}{"create":>10}{"extract":>10}{"check":>10}   seconds, medians of {args.runs}')
    for fs, (count, _) in KINDS.items():
        with tempfile.TemporaryDirectory(dir='/dev/shm') as name:
            folder, tree = pathlib.Path(name), pathlib.Path(name) / 'tree'
            make_tree(tree, count, flat=fs == 'minifs')
            steps, out = ours(fs, folder, tree)
            sides = [steps]
            if fs == 'fat':
                peer, peer_out = theirs(folder, tree)
                sides.append(peer)
            medians = measure(args.runs, *sides)
            assert same(tree, out), f'{fs}: what was extracted differs'
            print(f'{fs:10}{count:>6}' + ''.join(f'{t:>10.3f}' for t in medians[0]))
            if fs != 'fat':
                continue
            assert same(tree, peer_out), 'what mcopy extracted differs'
            ratios = [a / b for a, b in zip(*medians)]
            missed += sum(r > GOAL for r in ratios)
            print(f'{"  mtools":10}{count:>6}' + ''.join(f'{t:>10.3f}' for t in medians[1]) + '   mkfs.fat and mcopy, mcopy, fsck.fat')
            print(f'{"  ratio":16}' + ''.join(f'{r:>10.2f}' for r in ratios) + f'   goal {GOAL}')
    print(f'{missed} goals are missed' if missed else 'all goals are met')
    sys.exit(missed > 0)


if __name__ == '__main__':
    main()
