# SPDX-License-Identifier: MIT
"""A volume that is changed inside something larger: a dump, a partition, a region, behind the sector adapter."""
import struct
import zlib

import pytest

import card
from images import HERE, a, b, content, fat, flashport, reference, sha, shown, sources, tree  # noqa: F401
from held import held
from test_image_manifests import STATED

pytestmark = pytest.mark.images

INSIDE = {  # where in the dump, the blocks that must be stated, and what is said where they are not
    'littlefs/basic_b4096_p256_v21': (5 * 4096, None, None),
    'fat/fat12_many': (8 * 4096, None, None),
    'spiffs/espidf_b4096_p256_basic': (4096, 4096, 'cannot be mounted'),
    'minifs/b4096_basic': (3 * 4096, 4096, 'give --block-count; to the end of the file it is {}'),
    'bonsai/bonsai_a_tree': (2 * 4096, 256, 'give --block-count; to the end of the file it is {}'),
}


@pytest.mark.parametrize('name', INSIDE)
def test_what_lies_around_a_volume_stays(name, tmp_path, sources):
    image, dump = tmp_path / 'alone.img', tmp_path / 'dump.img'
    manifest = reference(name)(image)
    at, block, why = INSIDE[name]
    volume = image.read_bytes()
    around = content('around', at), content('behind', 16 * 4096)
    dump.write_bytes(around[0] + volume + around[1])
    stated = [*STATED.get(manifest['fs'], lambda m: [])(manifest), '--fs', manifest['fs'], '--offset', at]
    if block:
        said = flashport('put', dump, 'a.txt', 'new', *stated, ok=(3,)).stderr.decode()
        assert why.format((len(volume) + 16 * 4096) // block) in said
        stated += ['--block-count', len(volume) // block]
    for words in ('put', dump, 'a.txt', 'new'), ('put', dump, 'b.bin', 'more'), ('rm', dump, 'more'):
        flashport(*words, *stated)
    data = dump.read_bytes()
    assert (data[:at], data[at + len(volume):]) == around
    image.write_bytes(data[at:at + len(volume)])
    found, errors = held(image, manifest)
    assert not errors and shown(manifest['fs'], found)['/new'] == sha(a) and '/more' not in shown(manifest['fs'], found)


def test_partitions_of_a_card(tmp_path, sources):
    path = tmp_path / 'card.img'
    first, second = card.make(path, [35, 36])
    flashport('put', path, 'a.txt', 'b.bin', '/')             # the first is meant
    flashport('put', path, 'tree', '/', '--offset', second)
    one = {'fs': 'fat', 'offset': first, 'size': 35 << 20}
    two = {'fs': 'fat', 'offset': second, 'size': 36 << 20}
    assert held(path, one) == ({'/a.txt': sha(a), '/b.bin': sha(b)}, [])
    assert held(path, two) == ({'/tree' + k: sha(v) for k, v in tree.items()}, [])
    assert path.read_bytes()[:512] == card.table([(card.FAT32, 2048, 35 * 2048), (card.FAT32, 2048 + 35 * 2048, 36 * 2048)])


def test_a_region_is_written_where_it_is(tmp_path, sources):
    image = tmp_path / 'flash.bin'
    data = content('flash', 64 * 1024)
    image.write_bytes(data)
    regions = ['--fs', 'raw', '--opt', 'boot=0+0x4000:ro,app=0x4000+0x8000']
    flashport('put', image, 'b.bin', 'app', *regions)
    assert image.read_bytes() == data[:0x4000] + b + data[0x4000 + len(b):]
    flashport('put', image, 'b.bin', 'boot', *regions, ok=(1,))
    flashport('put', image, 'huge', 'app', *regions, ok=(7,))
    flashport('rm', image, 'app', *regions, ok=(1,))
    assert image.read_bytes() == data[:0x4000] + b + data[0x4000 + len(b):]


def crc(seed, data):
    """As core/digest/crc32.h has it: nothing is inverted."""
    return zlib.crc32(data, seed ^ 0xffffffff) ^ 0xffffffff


def record(number, group, spare, crc_of_spare):
    """Of the sector adapter's journal. Source: core/bdev/sector_record.h"""
    fields = struct.pack('<4I', number, group, spare, crc_of_spare)
    return (fields + struct.pack('<I', crc(0x4a535046, fields))).ljust(32, b'\xff')


IDLE = 0xffffffff


def behind_the_adapter(tmp_path, records, half):
    """A FAT on flash with blocks of 4096, as a cut left it in the redo of the group with the root directory, which makes
    NEW.TXT of FIRST.TXT: the spare is whole, the group erased. Returns the dump, and the root's group."""
    alone = tmp_path / 'alone.img'
    fat(16)(alone)
    data = bytearray(alone.read_bytes())
    name = data.index(b'FIRST   TXT')
    group = name // 4096 * 4096
    spare = data[group:group + 4096].replace(b'FIRST   TXT', b'NEW     TXT')
    data[group:group + 4096] = b'\xff' * 4096
    journal = b''.join(record(number, IDLE if idle else group // 512, 1, crc(0xffffffff, bytes(spare)))
                       for number, idle in records).ljust(4096, b'\xff')
    older = record(5, IDLE, 0, 0).ljust(4096, b'\xff')
    reserve = (journal + older if half == 0 else older + journal) + b'\xff' * 4096 + spare + b'\xff' * 4096
    dump = tmp_path / 'dump.img'
    dump.write_bytes(content('firmware', 3 * 4096) + data + reserve)
    return dump, 3 * 4096 + group


@pytest.mark.parametrize('half', [0, 1])
@pytest.mark.parametrize('earlier', [0, 2])
def test_a_redo_of_the_sector_adapter_is_finished_first(tmp_path, sources, half, earlier):
    """Else the device would do it at its next start, over what is put in here."""
    records = [(6 + i, i % 2 == 1) for i in range(earlier)] + [(6 + earlier, False)]
    dump, _ = behind_the_adapter(tmp_path, records, half)
    flashport('put', dump, 'a.txt', 'x', '--offset', 3 * 4096)
    assert held(dump, {'fs': 'fat', 'offset': 3 * 4096, 'size': 16 << 20}) == ({'/new.txt': sha(b'first'), '/x': sha(a)}, [])
    journal = dump.read_bytes()[3 * 4096 + (16 << 20) + half * 4096:][:4096]
    mark = journal[earlier * 32:][:20]
    assert struct.unpack('<I', mark[16:])[0] != crc(0x4a535046, mark[:16]), 'the device would do it again'
    assert dump.read_bytes()[:3 * 4096] == content('firmware', 3 * 4096)


def test_a_finished_redo_stays_what_it_is(tmp_path, sources):
    dump, root = behind_the_adapter(tmp_path, [(6, False), (7, True)], 0)
    data = bytearray(dump.read_bytes())
    data[root:root + 4096] = data[3 * 4096 + (16 << 20) + 3 * 4096:][:4096]
    dump.write_bytes(data)
    flashport('put', dump, 'a.txt', 'x', '--offset', 3 * 4096)
    assert dump.read_bytes()[3 * 4096 + (16 << 20):] == data[3 * 4096 + (16 << 20):], 'the reserve has changed'
    flashport('mv', dump, 'NEW.TXT', 'FIRST.TXT', '--offset', 3 * 4096)
    assert b'FIRST' in flashport('ls', dump, '--offset', 3 * 4096).stdout
