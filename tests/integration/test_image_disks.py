# SPDX-License-Identifier: MIT
"""A disk where an image file could be: read as one, and refused while it is mounted.

What a disk is and who uses it is the kernel's own, a loop device; the finer points are in
tests/unit/test_host_disk.c.
"""
import os
import pathlib
import subprocess

import pytest

pytestmark = pytest.mark.images

BIN = pathlib.Path(os.environ.get('FP_BIN', pathlib.Path(__file__).resolve().parents[2] / 'build' / 'debug' / 'bin'))


def flashport(*args, ok=(0,)):
    done = subprocess.run([BIN / 'flashport', *map(str, args)], capture_output=True, timeout=60)
    assert done.returncode in ok, f'{args}: exit {done.returncode}\n{done.stderr.decode()}'
    return done


@pytest.fixture
def disk(tmp_path):
    """(the loop device, the file behind it)"""
    backing = tmp_path / 'disk'
    backing.write_bytes(bytes(4 << 20))
    made = subprocess.run(['losetup', '-f', '--show', backing], capture_output=True, text=True)
    if made.returncode:
        pytest.skip('no loop devices here, or not root: ' + made.stderr.strip())
    yield made.stdout.strip(), backing
    subprocess.run(['losetup', '-d', made.stdout.strip()], check=True)


def test_a_disk_is_read_as_an_image_is(disk, tmp_path):
    device, backing = disk
    (tmp_path / 'in').mkdir()
    (tmp_path / 'in' / 'a.txt').write_bytes(b'on a disk')
    flashport('image', 'create', tmp_path / 'a.img', tmp_path / 'in', '--block-count', 1024)
    with open(device, 'r+b') as out:
        out.write((tmp_path / 'a.img').read_bytes())
    for verb, *rest in (['info'], ['ls', '--digest'], ['check'], ['cat', '/a.txt']):
        assert flashport('image', verb, device, *rest).stdout == flashport('image', verb, tmp_path / 'a.img', *rest).stdout
    flashport('image', 'extract', device, tmp_path / 'out')
    assert (tmp_path / 'out' / 'a.txt').read_bytes() == b'on a disk'


def test_a_mounted_disk_is_refused_with_its_place(disk, tmp_path):
    device, backing = disk
    place = tmp_path / 'a card'
    place.mkdir()
    subprocess.run(['mkfs.ext4', '-q', device], check=True)
    subprocess.run(['mount', device, place], check=True)
    try:
        for verb, *rest in (['info'], ['ls'], ['check'], ['extract', tmp_path / 'out']):
            done = flashport('image', verb, device, *rest, ok=(6,))
            assert done.stderr.decode() == f'flashport: {device}: {device} is mounted on {place}: unmount it first\n'
    finally:
        subprocess.run(['umount', place], check=True)
    flashport('image', 'info', device, '--offset', 0, ok=(3,))  # it is looked at now, and ext4 is not known
