# SPDX-License-Identifier: MIT
"""`flashport image repair`: what power cuts of the reference implementations left, and a FAT damaged by hand."""
import json
import os
import subprocess

import pytest

from images import TESTS, fat, flashport, reference, sha
from held import held
from test_image_manifests import STATED, refused

pytestmark = pytest.mark.images
EVERY = int(os.environ.get('FP_IMAGES_EVERY', 4))

LEFT_BY_A_CUT = sorted(f'{fs}/{p.stem}' for fs, glob in (('littlefs', 'pl_*'), ('minifs', '*_cut_*'), ('bonsai', '*_pl_*'), ('spiffs', 'espidf*_pl_*'))
                       for p in (TESTS / 'images' / fs).glob(glob + '.json'))


def report(verb, image, *stated):
    return json.loads(flashport(verb, image, '--json', *stated, ok=(0, 3)).stdout)


@pytest.mark.parametrize('name', LEFT_BY_A_CUT[::EVERY])
def test_repair_finishes_what_a_cut_left(name, tmp_path):
    image = tmp_path / 'flash.img'
    manifest = reference(name)(image)
    if refused(manifest):
        flashport('repair', image, '--fs', manifest['fs'], ok=(3,))
        return
    stated = STATED.get(manifest['fs'], lambda m: [])(manifest)
    before, was = image.read_bytes(), report('check', image, *stated)
    said = report('repair', image, *stated)
    assert said['before'] == was
    assert said['after'] == report('check', image, *stated)
    assert said['changed'] == (image.read_bytes() != before)
    assert said['after']['errors'] == was['errors']
    if not was['errors']:
        assert said['after']['pending'] == 0
        assert not held(image, manifest)[1]
    again = image.read_bytes()
    assert report('repair', image, *stated)['changed'] is False
    assert image.read_bytes() == again


@pytest.fixture
def lost(tmp_path):
    """A FAT16 with three lost clusters, put into both tables by hand"""
    image = tmp_path / 'card.img'
    fat(16)(image)
    data = bytearray(image.read_bytes())
    reserved, fats, size = int.from_bytes(data[14:16], 'little'), data[16], int.from_bytes(data[22:24], 'little')
    for n in range(fats):
        at = (reserved + n * size) * 512 + 2 * 1000
        data[at:at + 6] = (1001).to_bytes(2, 'little') + (1002).to_bytes(2, 'little') + b'\xff\xff'
    image.write_bytes(data)
    return image


def test_repair_of_fat_satisfies_fsck(lost):
    assert subprocess.run(['fsck.fat', '-n', lost], capture_output=True).returncode == 1
    text = flashport('repair', lost).stdout.decode()
    assert text.endswith('after the repair:\nclean\n') and text.count('a cluster is lost') == 3
    assert held(lost, {'fs': 'fat'}) == ({'/first.txt': sha(b'first')}, [])


def test_what_repair_cannot_do_is_said(tmp_path):
    """One cluster in the chains of two files: nothing tells whose it is."""
    image = tmp_path / 'card.img'
    fat(16)(image)
    subprocess.run(['mcopy', '-i', image, '-', '::/second'], input=b's' * 9000, check=True)
    data = bytearray(image.read_bytes())
    root = data.index(b'FIRST   TXT')
    second = data.index(b'SECOND     ', root)
    data[second + 26:second + 28] = data[root + 26:root + 28]
    image.write_bytes(data)
    before = image.read_bytes()
    done = flashport('repair', image, ok=(3,))
    assert b'cannot be repaired' in done.stderr and b'lost clusters' in done.stderr
    assert flashport('check', image, ok=(3,)).stdout and image.read_bytes() == before


def test_a_clean_image_is_not_touched(tmp_path):
    image = tmp_path / 'flash.img'
    reference('littlefs/basic_b4096_p256_v21')(image)
    os.utime(image, (1, 1))
    assert flashport('repair', image).stdout == b'clean\n'
    assert image.stat().st_mtime == 1
