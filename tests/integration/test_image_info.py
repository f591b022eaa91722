# SPDX-License-Identifier: MIT
"""`image info` without a hint: every reference image against its manifest, and
dumps of a whole flash put together here, in which every volume and every gap
has to be found at its place, and nothing else.

Expected places are those that the dump was put together with, geometry is the
manifests'.
"""
import functools
import gzip
import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS / 'tools'))
import card  # noqa: E402

pytestmark = pytest.mark.images

BIN = pathlib.Path(os.environ.get('FP_BIN', TESTS.parent / 'build' / 'debug' / 'bin'))
ALL = [p.relative_to(TESTS / 'images').with_suffix('') for p in sorted((TESTS / 'images').glob('*/*.json'))]
DUMP_SIZE = 16 << 20


def flashport(*args, ok=0):
    done = subprocess.run([BIN / 'flashport', 'image', *map(str, args)], capture_output=True, timeout=120)
    assert done.returncode == ok, f'{args}: exit {done.returncode}\n{done.stderr.decode()}'
    return done


def info(path, ok=0):
    return json.loads(flashport('info', path, '--json', ok=ok).stdout)


def manifest(name):
    return json.loads((TESTS / 'images' / f'{name}.json').read_text())


def content(name):
    packed = TESTS / 'images' / f'{name}.img.gz'
    data = gzip.decompress(packed.read_bytes()) if packed.exists() else packed.with_suffix('').read_bytes()
    assert hashlib.sha256(data).hexdigest() == manifest(name)['image_sha256']
    return data


def files_of(m):
    m = m['volumes'][0] if 'volumes' in m else m
    return {f['path'] if f['path'] is not None else f['path_hex']: f['sha256']
            for f in m['files'] if not f.get('dangling') and f['type'] == 'file' and 'read_error' not in f}


def read(path, *args):
    """What `ls` says is stored, of the files that can be read."""
    done = subprocess.run([BIN / 'flashport', 'image', 'ls', path, '--raw', '--json', '--digest', *map(str, args)], capture_output=True, timeout=120)
    return {f['path'] if f['path'] is not None else f['path_hex']: f['sha256'] for f in json.loads(done.stdout) if 'sha256' in f}


# --- one image -----------------------------------------------------------------

def littlefs(m, told):
    for key in ('version', 'block_size', 'block_count', 'name_max', 'file_max'):
        assert told[key] == m['superblock'][key], key


def fat(m, told):
    first, has_table = m['volumes'][0], m['volumes'][0]['offset'] > 0
    assert f'FAT{told["version"]}' == first['type']
    assert (told['offset'], told['block_size'], told['block_count']) == (first['offset'], first['bytes_per_sector'], first['total_sectors'])
    volumes = [r for r in told['map'] if r['kind'] == 'volume']
    assert [v['offset'] for v in volumes] == [v['offset'] for v in m['volumes']]
    assert [r['kind'] for r in told['map'] if r['offset'] == 0] == ['table' if has_table else 'volume']


def spiffs(m, told):
    """It says nothing of itself; what is proposed has to read it."""
    if m['files']:  # an empty one fits several
        assert (told['block_size'], told['block_count']) == (m['geometry']['log_block_size'], m['geometry']['size'] // m['geometry']['log_block_size'])


def minifs(m, told):
    assert told['version'] == '1'
    if m['files']:  # an empty one does not tell
        assert (told['block_size'], told['block_count']) == (m['geometry']['block_size'], m['geometry']['block_count'])


def bonsai(m, told):
    g = m['geometry']
    assert (told['block_size'], told['block_count']) == (g['row_size'], (g['partition_end'] - g['partition_start']) // g['row_size'])


TELLS = {'littlefs': littlefs, 'fat': fat, 'spiffs': spiffs, 'minifs': minifs, 'bonsai': bonsai}
# SPIFFS of which nothing is left but lookup entries without a file: no layout shows.
BLIND = {'nomagic_b4096_p256_empty'}
# Magic is gone from its last two blocks: those before are a volume that can be read.
SHORTER = {'n64m64_b4096_p512_no_magic2'}
# The reference refuses a count that is not its own only where one is stated.
OTHERWISE = {'blockcount_mismatch_b512'}


@pytest.mark.parametrize('name', map(str, ALL))
def test_an_image_is_known_without_a_hint(name, tmp_path):
    m, path = manifest(name), tmp_path / 'some.bin'
    path.write_bytes(content(name))
    stem = name.split('/')[1]
    if stem in BLIND or m.get('initialised') is False or (m.get('mount') == 'error' and stem not in SHORTER | OTHERWISE):
        assert info(path, ok=3)['volumes'] == 0
        return
    told = info(path)
    assert told['fs'] == m['fs']
    if stem in SHORTER | OTHERWISE:
        return
    TELLS[m['fs']](m, told)
    expected = files_of(m)
    # Read without a word, and as the proposal would be typed.
    for words in [], told['arguments']:
        got = read(path, *words)
        assert {k: got.get(k) for k in expected} == expected, words


# --- a whole flash ---------------------------------------------------------------

R = random.Random(20)
TEXT = b'Everything that is known of this device stands here.\n'
CODE = bytes(R.choice(b'\x00\x01\x36\x41\xf0\x1d\x21\xff') for _ in range(70_000)) + b'\x01'  # neither even nor text
ESP = b'\xe9\x03\x02\x20' + (0x40080400).to_bytes(4, 'little') + bytes(16)


class Dump:
    """A dump in the making, and what it holds: (kind, offset, size, about)"""

    def __init__(self):
        self.data, self.regions = bytearray(), []

    def put(self, data, kind, about=None):
        self.regions.append((kind, len(self.data), len(data), about))
        self.data += data

    def volume(self, name):
        self.put(content(name), 'volume', manifest(name))

    def align(self, unit):
        """0xff up to the grid that SPIFFS is looked for on, some more than a few bytes of it."""
        self.put(b'\xff' * (unit - len(self.data) % unit + unit), 'erased')

    def write(self, path):
        path.write_bytes(self.data)
        return path

    def expected(self):
        return [(kind, offset, size) for kind, offset, size, _ in self.regions]

    def volumes(self):
        return [r for r in self.regions if r[0] == 'volume']


def found(told):
    return [(r['kind'], r['offset'], r['size']) for r in told['map']]


@functools.cache
def flash():
    dump = Dump()
    dump.put(ESP + CODE, 'data', 'ESP image')
    dump.volume('littlefs/basic_b4096_p256_v21')
    dump.put(b'\xff' * 0x23457, 'erased')
    dump.volume('fat/fat12_many')
    dump.put(bytes(70_003), 'zero')
    dump.volume('littlefs/basic_b600_p4_v21')
    dump.put(b'\x5a' * 9001, 'constant', 0x5a)
    dump.volume('bonsai/bonsai_a_tree')
    dump.put(TEXT * 999, 'data', 'text')
    dump.volume('minifs/b1024_basic')
    dump.put(b'\x01' + R.randbytes(200_000) + b'\x01', 'data', 'high entropy')
    dump.volume('littlefs/basic_b128_p1_v21')  # one behind the other
    dump.volume('fat/fat12_4k_sector')
    dump.align(256)
    dump.volume('spiffs/std_b4096_p256_basic')
    dump.put(gzip.compress(R.randbytes(30_000), mtime=0), 'data', 'gzip')
    dump.align(256)
    dump.volume('spiffs/nomagic_b4096_p256_basic')
    dump.put(bytes(8192), 'zero')
    dump.volume('spiffs/n64m64_b4096_p512_basic')
    dump.put(bytes(256), 'zero')
    dump.volume('spiffs/esp8266_b8192_p256_full')
    dump.volume('spiffs/u32_b4096_p256_basic')
    dump.put(CODE, 'data')
    dump.put(b'\xff' * (DUMP_SIZE - len(dump.data)), 'erased')
    return dump


def test_everything_in_a_dump_is_found_at_its_place(tmp_path):
    dump = flash()
    told = info(dump.write(tmp_path / 'dump.bin'))
    assert len(dump.data) == DUMP_SIZE and told['file_size'] == DUMP_SIZE
    assert found(told) == dump.expected()
    assert not told['gave_up'] and told['volumes'] == len(dump.volumes()) == 12
    at = {r['offset']: r for r in told['map']}
    for kind, offset, _, about in dump.regions:
        if kind == 'volume':
            assert at[offset]['fs'] == about['fs'] and not at[offset]['damaged'] and not at[offset]['cut_off']
        elif about:
            assert at[offset].get('what', at[offset].get('byte')) == about
    assert told['offset'] == len(ESP + CODE)  # and the first one is told about


@pytest.mark.parametrize('number', range(1, 13))
def test_each_volume_of_a_dump_can_be_read(tmp_path, number):
    """By its number, by its offset, and as the proposal would be typed."""
    dump = flash()
    path = dump.write(tmp_path / 'dump.bin')
    _, offset, size, m = dump.volumes()[number - 1]
    row = [r for r in info(path)['map'] if r.get('volume') == number][0]
    assert (row['offset'], row['size']) == (offset, size)
    expected = files_of(m)
    assert expected
    assert read(path, '--volume', number) == expected
    assert read(path, *row['arguments']) == expected
    if m['fs'] in ('littlefs', 'fat'):
        assert read(path, '--offset', offset) == expected


def test_verbs_open_the_first_and_say_so(tmp_path):
    path = flash().write(tmp_path / 'dump.bin')
    first = hex(flash().volumes()[0][1])
    for args in ['ls', path], ['cat', path, 'readme.txt'], ['check', path], ['extract', path, tmp_path / 'out']:
        (line,) = flashport(*args).stderr.decode().splitlines()
        assert 'several' in line and first in line and '--volume' in line
        assert args[0] == 'extract' or flashport(*args, '--volume', 1).stderr == b''
    one = tmp_path / 'one.img'
    one.write_bytes(content('littlefs/basic_b4096_p256_v21') + CODE)
    assert flashport('ls', one).stderr == b''
    assert b'no volume 13' in flashport('ls', path, '--volume', 13, ok=4).stderr


def test_only_the_filesystem_that_was_named(tmp_path):
    path = flash().write(tmp_path / 'dump.bin')
    for fs in 'littlefs', 'fat', 'spiffs', 'minifs', 'bonsai':
        _, offset, _, m = next(v for v in flash().volumes() if v[3]['fs'] == fs)
        assert json.loads(flashport('info', path, '--fs', fs, '--json').stdout)['offset'] == offset
        assert read(path, '--fs', fs) == files_of(m)
        assert read(path, *json.loads(flashport('info', path, '--fs', fs, '--json').stdout)['arguments']) == files_of(m)


def test_the_table_fits_a_terminal(tmp_path):
    lines = flashport('info', flash().write(tmp_path / 'dump.bin')).stdout.decode().splitlines()
    assert max(map(len, lines[1:])) <= 80  # the first names the file
    for words in 'erased (0xff)', 'zero', 'constant 0x5a', 'data: text', 'data: ESP image', 'littlefs 2.1, 32 x 4096', '--opt magic=0':
        assert any(words in line for line in lines), words
    assert '0x23457' in ' '.join(lines) and '141K' in ' '.join(lines)


def test_a_volume_that_is_cut_off_is_listed_as_such(tmp_path):
    """The dump ends within its last volume, of each kind that states its size."""
    for name, keep in ('littlefs/basic_b4096_p256_v21', 70_000), ('fat/fat12_many', 200_000), ('spiffs/std_b4096_p256_basic', 30_000):
        dump = Dump()
        dump.volume('littlefs/basic_b512_p16_v21')
        dump.put(CODE, 'data')
        dump.align(256)
        dump.put(content(name)[:keep], 'volume')
        told = info(dump.write(tmp_path / 'cut.bin'))
        assert found(told) == dump.expected()
        last = told['map'][-1]
        assert last['cut_off'] and last.get('missing') in (len(content(name)) - keep, None)
        assert not told['map'][0]['cut_off']


def test_one_half_of_the_superblocks_is_enough(tmp_path):
    """littlefs keeps two; either may be torn, or erased."""
    data = content('littlefs/basic_b4096_p256_v21')
    torn = bytearray(data)
    torn[30:40] = b'\0' * 10
    for broken in torn, b'\xff' * 4096 + data[4096:], data[:4096] + b'\xff' * 4096 + data[8192:]:
        dump = Dump()
        dump.put(CODE, 'data')
        dump.put(bytes(4096), 'zero')
        dump.put(broken, 'volume')
        dump.put(bytes(4096), 'zero')
        assert found(info(dump.write(tmp_path / 'half.bin'))) == dump.expected()


def test_one_half_of_a_volume_that_was_made_larger(tmp_path):
    """Found by fuzz_scan: the half that is left has both sizes, and the later one counts."""
    data = content('littlefs/grown_b512')
    dump = Dump()
    dump.put(CODE, 'data')
    dump.put(bytes(4096), 'zero')
    dump.put(b'\xff' * 512 + data[512:], 'volume')
    dump.put(bytes(4096), 'zero')
    path = dump.write(tmp_path / 'half.bin')
    assert [r['block_count'] for r in info(path)['map'] if r['kind'] == 'volume'] == [64]
    assert read(path) == files_of(manifest('littlefs/grown_b512'))


def test_the_copy_of_a_boot_sector_is_no_volume(tmp_path):
    """FAT32 keeps one in sector 6. Without the first one, what it says is true of no place."""
    path = tmp_path / 'copy.bin'
    path.write_bytes(bytes(512) + content('fat/fat32_empty')[512:])
    assert content('fat/fat32_empty')[6 * 512:][510:512] == b'\x55\xaa'
    assert info(path, ok=3)['volumes'] == 0


def test_an_image_in_a_file_is_no_volume_of_the_dump(tmp_path):
    inner, outer = tmp_path / 'inner.img', tmp_path / 'outer.img'
    (tmp_path / 'in').mkdir()
    for name in 'littlefs/basic_b4096_p256_v21', 'bonsai/bonsai_a_tree', 'minifs/b1024_basic', 'spiffs/std_b4096_p256_basic':
        (tmp_path / 'in' / f'{name.split("/")[0]}.img').write_bytes(content(name))
    for fs in 'fat', 'littlefs':
        flashport('create', inner, tmp_path / 'in', '--fs', fs, '--force')
        outer.write_bytes(CODE + inner.read_bytes() + bytes(1000))
        told = info(outer)
        assert found(told) == [('data', 0, len(CODE)), ('volume', len(CODE), inner.stat().st_size), ('zero', len(CODE) + inner.stat().st_size, 1000)]


# --- tables of partitions ----------------------------------------------------------

@pytest.mark.skipif(not shutil.which('mkfs.fat') or not shutil.which('mcopy'), reason='needs dosfstools and mtools')
def test_a_card_with_volumes_in_partitions_and_between(tmp_path):
    path = tmp_path / 'card.img'
    offsets = card.make(path, [35, 36], [card.FAT32, card.FAT32])
    lfs = content('littlefs/basic_b512_p16_v21')
    with open(path, 'r+b') as out:
        out.seek(70_001)  # in what everyone leaves in front of the first partition
        out.write(lfs)
        out.truncate(128 << 30)  # and nearly all of a large card is a hole
    told = info(path)
    assert [(p['number'], p['type'], p['offset'], p['size']) for p in told['partitions']] == [
        (1, 12, offsets[0], 35 << 20), (2, 12, offsets[1], 36 << 20)]
    end = offsets[1] + (36 << 20)
    assert found(told) == [('table', 0, 512), ('zero', 512, 70_001 - 512), ('volume', 70_001, len(lfs)),
                           ('zero', 70_001 + len(lfs), offsets[0] - 70_001 - len(lfs)),
                           ('volume', offsets[0], 35 << 20), ('volume', offsets[1], 36 << 20), ('zero', end, (128 << 30) - end)]
    text = flashport('info', path).stdout.decode()
    assert 'partition 2: FAT32' in text and 'partition table (MBR)' in text


def test_the_partitions_of_an_esp_flash(tmp_path):
    """Made to the letter of ESP-IDF's guide. The SPIFFS has no magic, so its size is the partition's."""
    def entry(kind, subtype, offset, size, label):
        return b'\xaa\x50' + bytes([kind, subtype]) + offset.to_bytes(4, 'little') + size.to_bytes(4, 'little') + label.ljust(16, b'\0') + bytes(4)

    lfs, spf = content('littlefs/basic_b4096_p256_v21'), content('spiffs/nomagic_b4096_p256_basic')
    flash = bytearray(b'\xff' * 0x200000)
    rows = [(1, 2, 0x9000, 0x5000, b'nvs'), (0, 0, 0x10000, 0x100000, b'factory'), (1, 0x83, 0x110000, len(lfs), b'storage'),
            (1, 0x82, 0x1c0000, len(spf), b'old \x1b[31m')]
    table = b''.join(entry(*row) for row in rows) + b'\xeb\xeb' + b'\xff' * 14 + hashlib.md5(b''.join(entry(*row) for row in rows)).digest()
    flash[0x8000:0x8000 + len(table)] = table
    flash[0x10000:0x10000 + len(ESP + CODE)] = ESP + CODE
    flash[0x110000:0x110000 + len(lfs)] = lfs
    flash[0x1c0000:0x1c0000 + len(spf)] = spf
    path = tmp_path / 'esp.bin'
    path.write_bytes(flash)
    told = info(path)
    assert [(p['type'], p['subtype'], p['offset'], p['size'], p['label'].encode()) for p in told['partitions']] == rows
    assert [(r['offset'], r['size'], r['fs']) for r in told['map'] if r['kind'] == 'volume'] == [
        (0x110000, len(lfs), 'littlefs'), (0x1c0000, len(spf), 'spiffs')]
    text = flashport('info', path).stdout.decode()
    assert '"nvs": data, nvs' in text and '\x1b' not in text


# --- what nobody should have made ---------------------------------------------------

def repeated(piece):
    return (piece * (DUMP_SIZE // 4 // len(piece) + 1))[:DUMP_SIZE // 4]


def head(name, size, mark=None):
    data = content(name)
    return data[data.index(mark) if mark else 0:][:size]


HOSTILE = {
    'superblocks': lambda: repeated(head('littlefs/basic_b512_p16_v21', 512)),
    'beginnings of superblocks': lambda: repeated(head('littlefs/basic_b512_p16_v21', 64)),
    'boot sectors': lambda: repeated(head('fat/fat12_many', 512)),
    'boot sectors and tables': lambda: repeated(head('fat/fat12_many', 1024)),
    'partition tables': lambda: repeated(head('fat/mbr_fat12_fat12', 512)),
    'minifs marks': lambda: repeated(head('minifs/b1024_basic', 16, b'SfsMetadataBk')),
    'minifs metadata': lambda: repeated(head('minifs/b1024_basic', 1024, b'SfsMetadataBk')),
    'Bonsai system files': lambda: repeated(head('bonsai/bonsai_a_tree', 256)),
    'SPIFFS blocks': lambda: repeated(head('spiffs/std_b4096_p256_basic', 4096)),
    'SPIFFS blocks without magic': lambda: repeated(head('spiffs/nomagic_b4096_p256_basic', 4096)),
    'a bit of each': lambda: repeated(head('littlefs/basic_b512_p16_v21', 100) + head('fat/fat12_many', 512) +
                                      head('minifs/b1024_basic', 48, b'SfsMetadataBk') + head('bonsai/bonsai_a_tree', 80)),
    'noise': lambda: random.Random(3).randbytes(DUMP_SIZE // 4),
    'stripes': lambda: repeated(bytes(4096) + b'\xff' * 4096),
}


@pytest.mark.parametrize('what', HOSTILE)
def test_a_dump_of_nothing_but_candidates_ends(tmp_path, what):
    """In bounded time (flashport()'s limit), with a map of all of it, and in words."""
    path = tmp_path / 'hostile.bin'
    path.write_bytes(HOSTILE[what]())
    done = subprocess.run([BIN / 'flashport', 'image', 'info', path, '--json'], capture_output=True, timeout=120)
    assert done.returncode in (0, 3), done.stderr.decode()
    told, at = json.loads(done.stdout), 0
    for region in told['map']:
        assert region['offset'] == at and region['size'] > 0
        at += region['size']
    assert at == told['file_size']
    assert len(told['map']) <= 4096
    if what in ('noise', 'stripes'):
        assert told['volumes'] == 0 and not told['gave_up']


@pytest.mark.parametrize('size', ['3G', '128G'])
def test_a_card_of_any_size_is_a_volume(tmp_path, size):
    card = tmp_path / 'card.img'
    subprocess.run(['truncate', '-s', size, card], check=True)
    subprocess.run(['mkfs.fat', '-F', '32', card], check=True, capture_output=True)
    said = json.loads(subprocess.run([BIN / 'flashport', 'image', 'info', card, '--json'], check=True, capture_output=True).stdout)
    assert said['volumes'] == 1 and not said['gave_up'] and said['fs'] == 'fat'
