# SPDX-License-Identifier: MIT
"""Images with partition tables, and regions by name, as a user of the command line meets them. The cards are made by
sfdisk, mkfs.fat and mcopy; those of tests/images/fat/mbr_* are in test_image_manifests.py."""
import hashlib
import json
import os
import pathlib
import random
import subprocess

import pytest
from bed import Bed

pytestmark = pytest.mark.images

TESTS = pathlib.Path(__file__).resolve().parent.parent
BIN = pathlib.Path(os.environ.get('FP_BIN', TESTS.parent / 'build' / 'debug' / 'bin'))
SECTOR = 512


def run(*args, stdin=None):
    subprocess.run([str(a) for a in args], check=True, capture_output=True, input=stdin, timeout=60)


def flashport(*args, ok=0):
    done = subprocess.run([BIN / 'flashport', 'image', *map(str, args)], capture_output=True, timeout=60)
    assert done.returncode == ok, f'{args}: exit {done.returncode}\n{done.stderr.decode()}'
    return done


def names(*args):
    return [e['path'] for e in json.loads(flashport('ls', *args, '--json').stdout)]


def refusal(*args):
    """the one sentence that it is refused with"""
    done = flashport(*args, ok=3)
    assert done.stdout == b''
    (line,) = done.stderr.decode().splitlines()
    return line


def partition(card, script, label='dos'):
    run('/usr/sbin/sfdisk', '-q', '--no-reread', '--no-tell-kernel', card, stdin=f'label: {label}\n{script}'.encode())


def put_volume(card, first, count, name):
    """a FAT of `count` sectors with one file"""
    volume = card.with_suffix('.part')
    volume.write_bytes(bytes(count * SECTOR))
    run('/usr/sbin/mkfs.fat', '-F', '12', volume)
    (card.parent / name).write_text(name)
    run('mcopy', '-i', volume, card.parent / name, '::')
    with open(card, 'r+b') as out:
        out.seek(first * SECTOR)
        out.write(volume.read_bytes())


@pytest.fixture
def card(tmp_path):
    path = tmp_path / 'card.img'
    path.write_bytes(bytes(8192 * SECTOR))
    return path


def test_the_first_volume_is_opened_and_others_by_offset(card):
    partition(card, '1 : start=2048,size=1000,type=83\n2 : start=63,size=1000,type=1\n3 : start=4000,size=4000,type=f\n'
                    '5 : start=4100,size=2000,type=6\n')
    put_volume(card, 63, 1000, 'FIRST.TXT')
    put_volume(card, 4100, 2000, 'LOGICAL.TXT')
    assert names(card) == ['/FIRST.TXT']
    assert names(card, '--offset', 4100 * SECTOR) == ['/LOGICAL.TXT']
    info = json.loads(flashport('info', card, '--json').stdout)
    assert info['offset'] == 63 * SECTOR
    assert [(p['number'], p['type'], p['offset'], p['size']) for p in info['partitions']] == [
        (1, 0x83, 2048 * SECTOR, 1000 * SECTOR), (2, 1, 63 * SECTOR, 1000 * SECTOR), (5, 6, 4100 * SECTOR, 2000 * SECTOR)]
    text = flashport('info', card).stdout.decode()
    assert 'partition 2: FAT12' in text and 'partition table (MBR)' in text


def test_a_volume_without_a_table_has_no_partitions(card):
    put_volume(card, 0, 4000, 'BARE.TXT')
    assert names(card) == ['/BARE.TXT']
    assert 'partitions' not in json.loads(flashport('info', card, '--json').stdout)


def test_exfat_and_gpt_are_refused_with_what_to_do(card):
    partition(card, 'start=2048,size=1000', 'gpt')
    line = refusal('ls', card)
    assert 'GPT' in line and 'MBR' in line and 'FAT32' in line
    put_volume(card, 2048, 1000, 'INSIDE.TXT')
    assert names(card) == names(card, '--offset', 2048 * SECTOR) == ['/INSIDE.TXT']  # found without the table
    assert 'GPT, not read' in flashport('info', card).stdout.decode()

    exfat = b'\xeb\x76\x90EXFAT   '.ljust(510, b'\0') + b'\x55\xaa'
    card.write_bytes(exfat.ljust(8192 * SECTOR, b'\0'))
    line = refusal('check', card)
    assert 'exFAT' in line and 'FAT32' in line
    assert 'data: exFAT' in flashport('info', card, ok=3).stdout.decode()

    card.write_bytes(bytes(8192 * SECTOR))
    partition(card, 'start=2048,size=1000,type=7')
    with open(card, 'r+b') as out:
        out.seek(2048 * SECTOR)
        out.write(exfat)
    line = refusal('ls', card)
    assert 'partition 1' in line and 'exFAT' in line


def test_a_partition_that_overlaps_is_not_opened(card):
    put_volume(card, 100, 1000, 'A.TXT')
    with open(card, 'r+b') as out:
        out.seek(446)
        for first, count in (100, 1000), (1000, 1000):
            out.write(bytes([0, 0, 0, 0, 1, 0, 0, 0]) + first.to_bytes(4, 'little') + count.to_bytes(4, 'little'))
        out.seek(510)
        out.write(b'\x55\xaa')
    assert 'overlaps' in refusal('ls', card)
    assert names(card, '--offset', 100 * SECTOR) == ['/A.TXT']


def test_the_usb_view_of_internal_flash(card):
    """As firmware derived from MicroPython shows it: a table that is made up, the volume from sector 0x100 on."""
    partition(card, 'start=256,size=2000,type=1')
    put_volume(card, 256, 2000, 'MAIN.PY')
    assert names(card) == ['/MAIN.PY']
    assert json.loads(flashport('info', card, '--json').stdout)['offset'] == 0x20000


def test_regions_are_files(tmp_path):
    data = random.Random(1).randbytes(100000)
    image = tmp_path / 'flash.bin'
    image.write_bytes(data)
    regions = ['--fs', 'raw', '--opt', 'firmware=0+0x1000:ro,model=4096+50000']
    listed = json.loads(flashport('ls', image, *regions, '--json', '--digest').stdout)
    assert listed == [{'path': f'/{name}', 'type': 'file', 'size': size, 'sha256': hashlib.sha256(data[off:off + size]).hexdigest()}
                      for name, off, size in (('firmware', 0, 4096), ('model', 4096, 50000))]
    assert flashport('cat', image, 'model', *regions).stdout == data[4096:54096]
    assert flashport('ls', image, *regions, '--raw').stdout.split() == [b'firmware', b'model']
    for opt in ['model=4096+100000'], []:
        assert 'NAME=OFFSET+SIZE' in refusal('ls', image, '--fs', 'raw', *(['--opt', *opt] if opt else []))


def test_a_snapshot_of_a_card_shows_its_partitions(card, tmp_path):
    partition(card, '1 : start=2048,size=1000,type=1\n2 : start=63,size=1000,type=1\n4 : start=5000,size=1000,type=83\n')
    put_volume(card, 2048, 1000, 'SECOND.TXT')
    put_volume(card, 63, 1000, 'FIRST.TXT')
    with Bed() as bed:
        where = bed.place('reader', 'unix')
        agent = bed.process('reader', 'flashport-agent', '--id', 'reader', '--storage', f'sd={card},kind=card', '--mount', '/sd=sd:fat', '--listen',
                            f'unix:{where}')
        bed.listens(agent, 'unix', where)
        bed.start_daemon()
        bed.online('reader')
        files = bed.api(f'/snapshots/{bed.backup("reader", "sd")["result"]["snapshot"]}/fs')
        listed = {path: [e['name'] for e in bed.http.get(files + path).json()['entries']] for path in ('/', '/part1/', '/part2/')}
        assert listed == {'/': ['part1', 'part2', 'part4'], '/part1/': ['SECOND.TXT'], '/part2/': ['FIRST.TXT']}
        for entry in bed.http.get(files + '/part1/').json()['entries']:
            assert bed.http.get(bed.url + entry['href']).text == 'SECOND.TXT'
        assert bed.http.get(bed.url + bed.http.get(files + '/').json()['entries'][1]['href']).json()['entries'][0]['name'] == 'FIRST.TXT'
        for path, status in (('/part3/', 404), ('/part', 404), ('/part1x/', 404), ('/part4/', 404), ('/part1/none', 404), ('/part1', 409),
                             ('/part1/SECOND.TXT/', 409), ('/FIRST.TXT', 404)):
            assert bed.http.get(files + path).status_code == status, path
