# SPDX-License-Identifier: MIT
"""kill -9 in the middle of what writes an image: the old one is there, or the new one.

KILLED is the table: what is there before, and what is typed. Each line is run
to its end first, which gives the new image. Then it is begun again and killed
at a random moment; the kill counts if the work had begun (its copy is there, or
the new image is) and had not ended. FP_IMAGE_KILLS sets how many are to count for
each line (6; let it be 100 after a change to how images are written), FP_SEED
the seed, which is printed.
"""
import hashlib
import os
import pathlib
import random
import subprocess
import time

import pytest

from test_image_manifests import BIN

pytestmark = pytest.mark.images

KILLS = int(os.environ.get('FP_IMAGE_KILLS', 6))
SEED = int(os.environ.get('FP_SEED', random.SystemRandom().randrange(1 << 32)))


def image_tool(*args):
    subprocess.run([BIN / 'flashport', 'image', *map(str, args)], check=True, capture_output=True, timeout=120)


def tree(folder, count, size):
    folder.mkdir()
    for i in range(count):
        file = folder / f'{i % 7}' / f'file {i}'
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(hashlib.shake_128(str((folder.name, i)).encode()).digest(size))
        os.utime(file, (1_700_000_000 + i,) * 2)
    return folder


def littlefs(folder):
    """A littlefs of 8 MiB with some files, and a folder that is to come into it"""
    tree(folder / 'more', 150, 9000)
    image_tool('create', folder / 'flash.img', tree(folder / 'in', 20, 3000), '--block-count', 2048)


def older(folder):
    """An image that another one is to take the place of"""
    tree(folder / 'more', 150, 9000)
    image_tool('create', folder / 'flash.img', tree(folder / 'in', 20, 3000), '--fs', 'fat', '--block-count', 4096)


def damaged(folder):
    """A FAT16 of 16 MiB with 4,000 lost clusters, put into both tables by hand"""
    image = folder / 'flash.img'
    with open(image, 'wb') as f:
        f.truncate(16 << 20)
    subprocess.run(['mkfs.fat', '-F', '16', image], check=True, capture_output=True)
    data = bytearray(image.read_bytes())
    reserved, tables, size = int.from_bytes(data[14:16], 'little'), data[16], int.from_bytes(data[22:24], 'little')
    for n in range(tables):
        at = (reserved + n * size) * 512 + 2 * 2000
        data[at:at + 8000] = b'\xff\xff' * 4000
    image.write_bytes(data)


KILLED = {
    'put': (littlefs, ['put', 'flash.img', 'more', '/']),
    'create': (older, ['create', '--force', 'flash.img', 'more', '--fs', 'littlefs', '--block-count', '2048']),
    'convert': (littlefs, ['convert', 'flash.img', 'flash.img', '--force', '--fs', 'fat']),
    'repair': (damaged, ['repair', 'flash.img']),
}


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def start(folder, args):
    return subprocess.Popen([BIN / 'flashport', 'image', *args], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def copies(folder):
    """What is being made beside the image, or was left there"""
    return [p for p in folder.iterdir() if p.name.startswith(('.flash.img', 'flash.img.'))]


def measure(folder, args):
    """(from the start to the first sign of work, to the end), in seconds"""
    begun, run, first = time.monotonic(), start(folder, args), None
    while run.poll() is None:
        if first is None and copies(folder):
            first = time.monotonic() - begun
        time.sleep(0.0005)
    assert run.returncode == 0, run.stderr.read().decode()
    return first or 0, time.monotonic() - begun


@pytest.mark.parametrize('name', KILLED)
def test_the_old_image_or_the_new(name, tmp_path):
    prepare, args = KILLED[name]
    rnd = random.Random(SEED)
    print(f'FP_SEED={SEED} FP_IMAGE_KILLS={KILLS}')
    prepare(tmp_path)
    image = tmp_path / 'flash.img'
    before, old = image.read_bytes(), digest(image)
    first, last = measure(tmp_path, args)
    new = digest(image)
    assert new != old

    inside, tries, found = 0, 0, {old: 0, new: 0}
    while inside < KILLS:
        tries += 1
        assert tries <= 200 * KILLS, f'only {inside} of {tries} kills fell inside the work'
        for left in copies(tmp_path):
            left.unlink()
        image.write_bytes(before)
        run = start(tmp_path, args)
        time.sleep(rnd.uniform(first, last))
        run.kill()
        killed = run.wait(60) == -9
        run.stderr.close()
        now = digest(image)
        assert now in found, f'{name}: neither the old image nor the new one, after {tries} tries'
        if killed and (copies(tmp_path) or now == new):
            inside += 1
            found[now] += 1
    print(f'{name}: {inside} of {tries} kills inside the work of {last - first:.2f} s: {found[old]} left the old image, {found[new]} the new')

    image.write_bytes(before)                   # what the last kill left is in nobody's way
    assert start(tmp_path, args).wait(120) == 0
    assert digest(image) == new


def test_a_torn_image_would_be_seen(tmp_path):
    """The same, with a tool that writes where the image is: this harness notices."""
    image = tmp_path / 'flash.img'
    image.write_bytes(b'old' * 1000)
    old, new = digest(image), hashlib.sha256(b'new' * 1000).hexdigest()
    script = f"import time; f = open('{image.name}', 'r+b', 0); f.write(b'new' * 500); print('half', flush=True); time.sleep(60)"
    run = subprocess.Popen(['/usr/bin/python3', '-c', script], cwd=tmp_path, stdout=subprocess.PIPE)
    run.stdout.readline()
    run.kill()
    run.communicate()
    assert digest(image) not in (old, new)
