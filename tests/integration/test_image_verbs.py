# SPDX-License-Identifier: MIT
"""The verbs of `flashport image` that write, on each filesystem, as a user types them.

TYPED is the table: a line, the exit code, and what it does to the files. Each
line runs on a volume that somebody else made (the reference implementation, for
FAT mkfs.fat and mcopy), and what the image holds afterwards is read by others
too (tests/tools/held.py). A line that fails must leave every byte as it was.
"""
import contextlib
import fcntl
import gzip
import hashlib
import json
import os
import pathlib
import shlex
import signal
import stat
import struct
import subprocess
import sys
import time
import zlib

import pytest

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS / 'tools'))
import card  # noqa: E402
from held import held  # noqa: E402
from test_image_manifests import ALL, BIN, STATED, refused, volumes  # noqa: E402

pytestmark = pytest.mark.images
# A put runs the program four times and a checker: ordinarily one reference image in four goes through it.
EVERY = int(os.environ.get('FP_IMAGES_EVERY', 4))


def flashport(*args, ok=(0,), **options):
    done = subprocess.run([BIN / 'flashport', 'image', *map(str, args)], capture_output=True, timeout=120, **options)
    assert done.returncode in ok, f'{args}: exit {done.returncode}\n{done.stdout.decode()}{done.stderr.decode()}'
    return done


def content(name, size):
    return hashlib.shake_128(name.encode()).digest(size)


def sha(data):
    return hashlib.sha256(data).hexdigest()


# --- the volumes ------------------------------------------------------------

DIRS, TREES = 'has directories', 'has names with slashes, at least'
CAN = {'littlefs': {DIRS, TREES}, 'fat': {DIRS, TREES}, 'spiffs': {TREES}, 'bonsai': {TREES}, 'minifs': set()}


def shown(fs, stored):
    """{path as users type it: SHA-256}: in SPIFFS a name may lack its slash; in Bonsai, a tree of files, what has others
    below it is shown as a directory."""
    files = {'/' + k.removeprefix('/root' if fs == 'bonsai' else '').lstrip('/'): v for k, v in stored.items()}
    return {k: v for k, v in files.items() if fs != 'bonsai' or k != '/' and not any(o.startswith(k.rstrip('/') + '/') and o != k for o in files)}


def fat(bits):
    def make(path):
        with open(path, 'wb') as f:
            f.truncate({12: 1 << 20, 16: 16 << 20, 32: 40 << 20}[bits])
        subprocess.run(['mkfs.fat', '-F', str(bits), *(['-s', '1'] if bits == 32 else []), path], check=True, capture_output=True)
        subprocess.run(['mcopy', '-i', path, '-', '::/first.txt'], input=b'first', check=True)
        return {'fs': 'fat'}
    return make


def reference(name):
    def make(path):
        base = TESTS / 'images' / name
        path.write_bytes(gzip.decompress(base.with_suffix('.img.gz').read_bytes()))
        return json.loads(base.with_suffix('.json').read_text())
    return make


VOLUMES = {
    **{f'fat{bits}': fat(bits) for bits in (12, 16, 32)},
    **{name.replace('/', '-'): reference(name) for name in (
        'littlefs/basic_b4096_p256_v21', 'littlefs/basic_b512_p16_v20', 'littlefs/basic_b600_p4_v21',
        'spiffs/espidf_b4096_p256_basic', 'spiffs/esp8266_b8192_p256_basic', 'minifs/b4096_basic', 'minifs/b1024_basic', 'bonsai/bonsai_a_tree')},
}


@pytest.fixture(params=VOLUMES)
def volume(request, tmp_path):
    """(image, manifest, options that lead to the volume)"""
    image = tmp_path / 'flash.img'
    manifest = VOLUMES[request.param](image)
    return image, manifest, STATED.get(manifest['fs'], lambda m: [])(manifest)


# --- the table --------------------------------------------------------------

HERE = {'a.txt': content('a', 9), 'b.bin': content('b', 700), 'tree/one': content('one', 5), 'tree/empty': b'',
        'tree/sub/two': content('two', 300), 'odd name': b'odd', 'later/a.txt': content('later', 40)}
STDIN = content('stdin', 333)


def adds(**paths):
    """FILE of HERE, by the path it takes; __ stands for /, _ for a dot"""
    return lambda files: {**files, **{'/' + k.replace('__', '/').replace('_', '.'): v for k, v in paths.items()}}


def drops(*paths):
    return lambda files: {k: v for k, v in files.items() if k not in paths and not k.startswith(tuple(p + '/' for p in paths))}


def moves(old, new):
    return lambda files: {new + k[len(old):] if k == old or k.startswith(old + '/') else k: v for k, v in files.items()}


def nothing(files):
    return files


a, b = HERE['a.txt'], HERE['b.bin']
tree = {k[4:]: v for k, v in HERE.items() if k.startswith('tree/')}
TYPED = [  # what it needs, what is typed (I: the image), its exit code, what it does
    (set(), 'put I a.txt new', 0, adds(new=a)),
    (set(), 'put I b.bin /new', 0, adds(new=b)),                                        # replaces, as cp does
    (set(), 'put I later/a.txt b.bin /', 0, lambda f: {**f, '/a.txt': HERE['later/a.txt'], '/b.bin': b}),
    (set(), 'put I a.txt / -n', 0, nothing),                                            # it is there
    (set(), 'put --no-clobber I a.txt fresh', 0, adds(fresh=a)),
    (set(), 'put I - piped', 0, adds(piped=STDIN)),
    (set(), 'put I - /', 2, nothing),                                                   # under which name?
    (set(), 'put I missing x', 4, nothing),
    (set(), 'put I a.txt missing x/', 4, nothing),
    (set(), 'put I huge x', 7, nothing),
    (set(), 'put I a.txt huge /', 7, nothing),                                          # all or nothing
    (set(), 'mv I fresh moved', 0, moves('/fresh', '/moved')),
    (set(), 'mv I moved new', 0, lambda f: moves('/moved', '/new')(drops('/new')(f))),  # replaces
    (set(), 'mv -n I new piped', 0, nothing),
    (set(), 'mv I nope x', 4, nothing),
    (set(), 'mv I new new', 1, nothing),
    (set(), 'mv I new /', 1, nothing),                                                  # it is there already
    (set(), 'rm I nope', 4, nothing),
    (set(), 'rm I piped nope', 4, nothing),                                             # all or nothing
    (set(), 'rm -f I nope piped', 0, drops('/piped')),
    (set(), 'rm I a.txt b.bin', 0, drops('/a.txt', '/b.bin')),
    (set(), 'rm I /', 2, nothing),
    (set(), 'rm -r I /', 2, nothing),
    (set(), 'put I', 2, nothing),
    (set(), 'rm I', 2, nothing),
    (set(), 'mv I new', 2, nothing),
    (set(), 'rm --raw I new', 2, nothing),
    ({TREES}, 'put I tree /', 0, lambda f: {**f, **{'/tree' + k: v for k, v in tree.items()}}),
    ({TREES}, 'put -r I tree other', 0, lambda f: {**f, **{'/other' + k: v for k, v in tree.items()}}),
    ({TREES}, 'put I tree/. other', 0, nothing),                                        # what is in it, once more
    ({TREES}, 'put I a.txt "odd name" tree/sub', 0, lambda f: {**f, '/tree/sub/a.txt': a, '/tree/sub/odd name': b'odd'}),
    ({TREES}, 'rm I tree', 2, nothing),                                                 # -r is missing
    ({TREES}, 'mv I other third', 0, moves('/other', '/third')),
    ({TREES}, 'mv I third tree', 0, moves('/third', '/tree/third')),
    ({TREES}, 'mv I tree tree/sub', 1, nothing),                                        # into itself
    ({TREES}, 'mv I new tree/sub/', 0, moves('/new', '/tree/sub/new')),
    ({TREES}, 'rm -r I tree/third', 0, drops('/tree/third')),
    ({TREES}, 'rm -r I tree', 0, drops('/tree')),
    ({DIRS}, 'mkdir I made', 0, nothing),
    ({DIRS}, 'mkdir I made', 6, nothing),
    ({DIRS}, 'mkdir I no/way', 4, nothing),
    ({DIRS}, 'mkdir -p I made made/deep/er', 0, nothing),
    ({DIRS}, 'put I a.txt made/deep/er', 0, adds(made__deep__er__a_txt=a)),
    ({DIRS}, 'put I a.txt none/x', 4, nothing),
    ({DIRS}, 'put I a.txt b.bin none', 4, nothing),
    ({DIRS}, 'put I a.txt none/', 4, nothing),
    ({DIRS}, 'put I tree made/deep/er/a.txt', 1, nothing),                              # a directory over a file
    ({DIRS}, 'mkdir -p I made/deep/er/a.txt/x', 1, nothing),
    ({DIRS}, 'rm -r I made', 0, drops('/made')),
]


@pytest.fixture
def sources(tmp_path, monkeypatch):
    here = tmp_path / 'here'
    for name, data in HERE.items():
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_bytes(data)
    with open(here / 'huge', 'wb') as f:
        f.truncate(64 << 20)
    monkeypatch.chdir(here)
    return here


def run_typed(image, typed, code, stated):
    words = [str(image) if w == 'I' else w for w in shlex.split(typed)]
    done = flashport(*words, *stated, ok=(code,), input=STDIN)
    assert bool(done.stderr) == (code != 0), done.stderr.decode()
    return done


def test_each_verb_on_each_filesystem(volume, sources):
    image, manifest, stated = volume
    fs = manifest['fs']
    files = shown(fs, held(image, manifest)[0])
    for needs, typed, code, effect in TYPED:
        if needs - CAN[fs]:
            continue
        before = image.read_bytes()
        run_typed(image, typed, code, stated)
        files = {k: sha(v) if isinstance(v, bytes) else v for k, v in effect(files).items()}
        found, errors = held(image, manifest)
        assert shown(fs, found) == files, typed
        assert not errors, (typed, errors)
        assert code == 0 or image.read_bytes() == before, f'{typed}: failed, yet the image has changed'
    assert sorted(p.name for p in image.parent.iterdir()) == ['flash.img', 'here']


def test_times_are_kept(volume, sources):
    image, manifest, stated = volume
    if DIRS not in CAN[manifest['fs']]:
        pytest.skip('the format keeps no times')
    when = 1_700_000_000  # 2023-11-14 22:13:20 UTC
    os.utime('a.txt', ns=(when * 10**9, when * 10**9 + 500))
    flashport('put', image, 'a.txt', 'dated', *stated)
    flashport('extract', image, 'out', 'dated', *stated)
    assert int(os.stat('out/dated').st_mtime) == when
    if manifest['fs'] == 'fat':
        listed = subprocess.run(['mdir', '-i', image, '::/dated'], capture_output=True, check=True).stdout
        assert b'2023-11-14  22:13' in listed


# --- every reference image ----------------------------------------------------

@pytest.mark.parametrize('name', map(str, ALL[::EVERY]))
def test_a_file_goes_into_every_reference_image_and_out(name, tmp_path):
    image, new = tmp_path / 'flash.img', tmp_path / 'new'
    manifest = reference(name)(image)
    new.write_bytes(b'new content\n')
    for n, (stated, _) in enumerate(volumes(manifest)):
        place = manifest['volumes'][max(n - 1, 0)] if 'volumes' in manifest else {}
        before = image.read_bytes()
        done = flashport('put', image, new, '/new.txt', *stated, ok=(0, 3, 7))
        if name.startswith('minifs/') and name.endswith('_empty'):
            assert done.returncode == 3 and b'does not show its layout: give --block-size' in done.stderr
            stated = ['--block-size', manifest['geometry']['block_size']]
            done = flashport('put', image, new, '/new.txt', *stated, ok=(0, 3, 7))
        if done.returncode:
            assert image.read_bytes() == before and done.stderr
            no_root = name == 'bonsai/bonsai_a_pl_7'  # nothing that a file could be put into
            assert done.returncode == 7 and 'full' in name or refused(manifest) or no_root, done.stderr
            continue
        after = image.read_bytes()
        image.write_bytes(before)
        old, errors = held(image, {**manifest, **place})
        image.write_bytes(after)
        found, now = held(image, {**manifest, **place})
        assert shown(manifest['fs'], found) == {**shown(manifest['fs'], old), '/new.txt': sha(b'new content\n')}
        assert not now or errors, now
        flashport('rm', image, 'new.txt', *stated)
        assert held(image, {**manifest, **place})[0] == old


# --- repair -------------------------------------------------------------------

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


# --- inside something larger ---------------------------------------------------

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


# --- the file -------------------------------------------------------------------

@pytest.fixture
def image(tmp_path):
    path = tmp_path / 'flash.img'
    reference('littlefs/basic_b4096_p256_v21')(path)
    return path


def twin_of(image):
    return image.parent / f'.{image.name}.flashport'


def heed_signals():
    """In the child: what is started in the background ignores Ctrl-C, what a person started does not."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def put_at_work(image):
    """A put that has begun, and waits for its stdin."""
    run = subprocess.Popen([BIN / 'flashport', 'image', 'put', image, '-', '/late'], stdin=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heed_signals)
    try:
        for _ in range(3000):
            if twin_of(image).exists() and twin_of(image).stat().st_size:
                break
            time.sleep(0.01)
        assert run.poll() is None
        yield run
    finally:
        run.kill()
        run.communicate()


def test_two_writers_are_kept_apart_and_readers_go_on(image, sources):
    with put_at_work(image) as run:
        said = flashport('put', image, 'a.txt', 'x', ok=(6,)).stderr.decode()
        assert said == f'flashport: {image}: somebody else is changing it: try again when they are done\n'
        assert b'/readme.txt' in flashport('ls', image).stdout
        run.communicate(b'late content', timeout=60)
        assert run.returncode == 0
    flashport('put', image, 'a.txt', 'x')
    assert flashport('cat', image, 'late').stdout == b'late content' and flashport('cat', image, 'x').stdout == a


def test_who_writes_into_the_image_itself_is_waited_for(image, sources):
    with open(image, 'r+b') as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        assert b'somebody else' in flashport('put', image, 'a.txt', 'x', ok=(6,)).stderr
        fcntl.flock(f, fcntl.LOCK_SH)
        flashport('put', image, 'a.txt', 'x')  # who only reads is not in the way


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_put_leaves_nothing(image, number):
    before = image.read_bytes()
    with put_at_work(image) as run:
        run.send_signal(number)
        assert run.wait(60) == -number
    assert image.read_bytes() == before and not twin_of(image).exists()


def test_what_a_kill_leaves_is_taken_up_by_the_next(image, sources):
    before = image.read_bytes()
    with put_at_work(image) as run:
        run.kill()
        run.wait(60)
    assert image.read_bytes() == before and twin_of(image).exists()
    flashport('put', image, 'a.txt', 'x')
    assert not twin_of(image).exists()


def test_a_link_stays_and_rights_are_kept(image, sources):
    link = image.parent / 'here' / 'link'
    link.symlink_to('../flash.img')
    image.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(image, 1234, 4321)
    was = image.stat()
    flashport('put', link, 'a.txt', 'x')
    now = image.stat()
    assert link.is_symlink() and now.st_ino != was.st_ino
    assert (stat.S_IMODE(now.st_mode), now.st_uid, now.st_gid) == (0o640, was.st_uid, was.st_gid)
    assert flashport('cat', image, 'x').stdout == a


def test_a_strangers_file_in_the_way_is_left_alone(image, sources, tmp_path):
    (tmp_path / 'mine').write_bytes(b'mine')
    os.link(tmp_path / 'mine', twin_of(image))
    assert b'remove it' in flashport('put', image, 'a.txt', 'x', ok=(1,)).stderr
    twin_of(image).unlink()
    twin_of(image).symlink_to('mine')
    flashport('put', image, 'a.txt', 'x', ok=(1,))
    assert (tmp_path / 'mine').read_bytes() == b'mine'


def test_a_sparse_card_stays_sparse(tmp_path, sources):
    path = tmp_path / 'card.img'
    with open(path, 'wb') as f:
        f.truncate(128 << 30)
    subprocess.run(['mkfs.fat', '-F', '32', '-s', '128', path], check=True, capture_output=True)
    taken = path.stat().st_blocks
    flashport('put', path, 'a.txt', 'x')
    assert path.stat().st_size == 128 << 30 and path.stat().st_blocks * 512 < taken * 512 + (1 << 20)
    assert subprocess.run(['mtype', '-i', path, '::/x'], capture_output=True).stdout == a


@pytest.mark.parametrize('fs', ['minifs', 'spiffs'])
def test_a_layout_that_is_only_guessed_is_not_written_in(fs, sources, tmp_path):
    (tmp_path / 'nothing').mkdir()
    path = tmp_path / 'flash.img'
    flashport('create', path, tmp_path / 'nothing', '--fs', fs, '--block-size', 8192, '--block-count', 16)
    before = path.read_bytes()
    assert b'does not show its layout' in flashport('put', path, 'a.txt', 'x', ok=(3,)).stderr and path.read_bytes() == before
    flashport('put', path, 'a.txt', 'x', '--fs', fs, '--block-size', 8192)
    flashport('put', path, 'b.bin', 'y')  # now it does
    assert flashport('cat', path, 'x').stdout == a and flashport('cat', path, 'y').stdout == b


def test_refusals_copy_nothing(image, sources, tmp_path):
    whole = image.read_bytes()
    (tmp_path / 'noise').write_bytes(content('noise', 32768))
    (tmp_path / 'empty').write_bytes(b'')
    image.write_bytes(whole[:5 * 4096])
    for path, code, word in ((image, 3, 'cut off'), (tmp_path / 'noise', 3, 'no filesystem'), (tmp_path / 'empty', 3, 'empty'),
                             (tmp_path / 'nope', 4, 'o such file'), (tmp_path, 1, 'irectory')):
        before = path.read_bytes() if path.is_file() else None
        for words in (['put', path, 'a.txt', 'x'], ['rm', path, 'x'], ['mv', path, 'x', 'y'], ['mkdir', path, 'x']):
            said = flashport(*words, ok=(code,)).stderr.decode()
            assert word in said and len(said.splitlines()) == 1, said
        assert (path.read_bytes() if path.is_file() else None) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ['empty', 'flash.img', 'here', 'noise']


@pytest.fixture
def disk(tmp_path):
    """A loop device: a block device like any disk"""
    path = tmp_path / 'disk.img'
    fat(16)(path)
    made = subprocess.run(['losetup', '--show', '-f', path], capture_output=True)
    if made.returncode:
        pytest.skip(f'no loop device to be had here: {made.stderr.decode().strip()}')
    name = made.stdout.decode().strip()
    yield name, path
    subprocess.run(['losetup', '-d', name], check=True)


def test_a_disk_is_changed_in_place(disk, sources):
    name, path = disk
    assert b'in place' in flashport('put', name, 'a.txt', 'b.bin', '/').stderr
    flashport('mv', name, 'a.txt', 'c', '--quiet')
    os.sync()
    assert held(path, {'fs': 'fat'}) == ({'/first.txt': sha(b'first'), '/b.bin': sha(b), '/c': sha(a)}, [])
