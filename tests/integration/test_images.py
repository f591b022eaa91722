# SPDX-License-Identifier: MIT
"""The image tools over the littlefs reference images, as a user types them, and
over images that are cut off, damaged or made here. What holds for the images of
any filesystem is in test_image_manifests.py.

Expected values are the manifests', written by the reference implementation,
and the findings of the independent checker in tests/tools.
"""
import gzip
import hashlib
import json
import os
import pathlib
import subprocess
import sys

import pytest

pytestmark = pytest.mark.images

TESTS = pathlib.Path(__file__).resolve().parent.parent
IMAGES = TESTS / 'images' / 'littlefs'
BIN = pathlib.Path(os.environ.get('FP_BIN', TESTS.parent / 'build' / 'debug' / 'bin'))
NAMES = sorted(p.stem for p in IMAGES.glob('*.json'))


def flashport(*args, ok=(0,)):
    done = subprocess.run([BIN / 'flashport', *map(str, args)], capture_output=True, timeout=60)
    assert done.returncode in ok, f'{args}: exit {done.returncode}\n{done.stderr.decode()}'
    return done


def checker(image, block_size, *flags):
    done = subprocess.run([sys.executable, TESTS / 'tools' / 'littlefs_check.py', image, '--block-size', str(block_size), '--json', *flags],
                          capture_output=True, timeout=120)
    assert done.stdout, done.stderr.decode()
    return done.returncode, json.loads(done.stdout)


@pytest.fixture(scope='session')
def unpacked(tmp_path_factory):
    """name -> (image path, manifest), unpacked once and checked against its manifest's digest."""
    folder, images = tmp_path_factory.mktemp('images'), {}
    for name in NAMES:
        manifest = json.loads((IMAGES / f'{name}.json').read_text())
        data = gzip.decompress((IMAGES / f'{name}.img.gz').read_bytes())
        assert hashlib.sha256(data).hexdigest() == manifest['image_sha256']
        path = folder / f'{name}.img'
        path.write_bytes(data)
        images[name] = path, manifest
    return images


def sort_key(entry):
    return bytes.fromhex(entry['path_hex']) if entry.get('path_hex') else entry['path'].encode()


def expected(manifest):
    rows = []
    for f in manifest['files']:
        row = {'path': f['path'], 'type': f['type'], 'size': f.get('size', 0)}
        if f['path'] is None:
            row['path_hex'] = f['path_hex']
        if f['type'] == 'file':
            row['sha256'] = f['sha256']
        rows.append(row)
    return sorted(rows, key=sort_key)


def refused_when_stated(manifest):
    """A wrong block count is an error only for a caller who states one."""
    return manifest['mount'] == 'error' and manifest.get('mount_error') == 'INVAL'


@pytest.mark.parametrize('name', NAMES)
def test_info_finds_the_geometry(unpacked, name):
    path, manifest = unpacked[name]
    if manifest['mount'] == 'error':
        pytest.skip('refused')
    info = json.loads(flashport('image', 'info', path, '--json').stdout)
    assert info['fs'] == 'littlefs'
    for key in ('version', 'block_size', 'block_count', 'name_max', 'file_max'):
        assert info[key] == manifest['superblock'][key], key


@pytest.mark.parametrize('name', NAMES)
def test_check_says_clean_or_what_a_power_cut_left(unpacked, name):
    path, manifest = unpacked[name]
    before = path.read_bytes()
    if manifest['mount'] == 'error':
        stated = ['--block-count', manifest['geometry']['block_count']] if refused_when_stated(manifest) else []
        flashport('image', 'check', path, *stated, ok=(3,))
        return
    report = json.loads(flashport('image', 'check', path, '--json', ok=(0, 3)).stdout)
    _, truth = checker(path, manifest['geometry']['block_size'])
    errors = [f for f in truth['findings'] if f['level'] == 'error']
    assert (report['errors'] == 0) == (not errors), report
    pending = [f['text'] for f in report['findings'] if f['level'] == 'pending']
    actions = manifest.get('repair', {}).get('actions', [])
    for action, word in (('move', 'move'), ('half-orphan', 'half-orphan'), ('orphan', 'orphan')):
        if action in actions:
            assert any(word in text for text in pending), (action, pending)
    assert path.read_bytes() == before, 'check changed the image'


@pytest.mark.parametrize('name', NAMES)
def test_extract_gives_the_files(unpacked, name, tmp_path):
    path, manifest = unpacked[name]
    if manifest['mount'] == 'error':
        pytest.skip('refused')
    flashport('image', 'extract', path, tmp_path / 'out')
    root, found = os.fsencode(tmp_path / 'out'), []
    for folder, dirs, files in os.walk(root):
        for entry in dirs + files:
            full = os.path.join(folder, entry)
            item = {'raw': full[len(root):], 'type': 'dir' if entry in dirs else 'file'}
            if entry in files:
                with open(full, 'rb') as f:
                    item['sha256'] = hashlib.sha256(f.read()).hexdigest()
            found.append(item)
    wanted = [{'raw': sort_key(f), 'type': f['type'], **({'sha256': f['sha256']} if f['type'] == 'file' else {})}
              for f in manifest['files']]
    assert sorted(found, key=lambda i: i['raw']) == sorted(wanted, key=lambda i: i['raw'])


def tree_of(folder):
    return {os.path.relpath(os.path.join(d, f), folder): hashlib.sha256(pathlib.Path(d, f).read_bytes()).hexdigest()
            for d, _, files in os.walk(folder) for f in files}


@pytest.mark.parametrize('block_size,prog_size,version', [(128, 1, '2.1'), (512, 16, '2.0'), (512, 16, '2.1'), (600, 4, '2.1'),
                                                          (4096, 256, '2.1'), (4096, 2048, '2.1'), (65536, 256, '2.1')])
@pytest.mark.parametrize('fit', ['smallest', 'stated'])
def test_create_makes_what_the_checker_accepts(tmp_path, block_size, prog_size, version, fit):
    source, image = tmp_path / 'in', tmp_path / 'made.img'
    for name, size in (('a.txt', 5), ('empty', 0), ('dir/b.bin', block_size * 3 + 7), ('dir/sub/c', block_size), ('Ünïcode', 40),
                       *((f'many/f{i:03}', i * 3) for i in range(60))):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(hashlib.shake_128(name.encode()).digest(size))
    stated = ['--block-count', max(64, 400 * 512 // block_size)] if fit == 'stated' else []
    flashport('image', 'create', image, source, '--fs', 'littlefs', '--block-size', block_size, '--prog-size', prog_size,
              '--opt', f'version={version}', *stated)
    code, truth = checker(image, block_size, '--prog-size', str(prog_size), '--settled')
    assert code == 0, truth['findings']
    assert {f['path']: f['sha256'] for f in truth['files'] if f['type'] == 'file'} == {
        '/' + k: v for k, v in tree_of(source).items()}
    flashport('image', 'extract', image, tmp_path / 'out')
    assert tree_of(tmp_path / 'out') == tree_of(source)
    for name in tree_of(source):
        assert abs((source / name).stat().st_mtime - (tmp_path / 'out' / name).stat().st_mtime) < 1e-3


def test_a_volume_inside_a_larger_dump_is_found(unpacked, tmp_path):
    path, manifest = unpacked['basic_b4096_p256_v21']
    dump = tmp_path / 'dump.img'
    dump.write_bytes(b'\xe9\x03' * 2048 * 5 + path.read_bytes() + b'\xff' * 8192)
    for where in ([], ['--offset', 4096 * 5], ['--offset', '0x5000']):
        assert json.loads(flashport('image', 'ls', dump, '--json', '--digest', *where).stdout) == expected(manifest)
    assert json.loads(flashport('image', 'info', dump, '--json').stdout)['offset'] == 0x5000
    flashport('image', 'ls', dump, '--offset', 4096, ok=(3,))


@pytest.mark.parametrize('args,code,words', [
    (['image'], 2, 'verb'),
    (['image', 'ls'], 2, 'image'),
    (['image', 'frob', 'x.img'], 2, 'frob'),
    (['image', 'ls', '/nonexistent.img'], 4, 'no such file'),
    (['image', 'ls', '{empty}'], 3, 'empty'),
    (['image', 'ls', '{image}', '--fs', 'ext4'], 2, 'ext4'),
    (['image', 'ls', '{image}', '--block-size', '0'], 2, 'number'),
    (['image', 'ls', '{image}', '--block-size', 'many'], 2, 'number'),
    (['image', 'cat', '{image}', '/nope'], 4, 'nope'),
    (['image', 'cat', '{image}', 'relative'], 4, '/relative'),
    (['image', 'ls', '{image}', 'none/'], 4, '/none: '),
    (['image', 'cat', '{image}', '/../etc/passwd'], 1, 'invalid'),
    (['image', 'cat', '{image}', '/' + 'n' * 10000], 1, '255 are the most'),
    (['image', 'create', '{out}', '/nonexistent'], 4, 'no such file'),
    (['image', 'create', '{out}', '{tree}', '--block-count', '2'], 7, 'fit'),
    (['image', 'create', '{out}', '{tree}', '--opt', 'version=9'], 2, 'version'),
    (['image', 'create', '{out}', '{tree}', '--fs', 'ext4'], 2, 'littlefs'),
    (['image', 'ls', '{image}', '--opt', 'nonsense'], 2, 'K=V'),
    (['image', 'ls', '{image}', '--opt', '=1'], 2, 'K=V'),
    (['image', 'ls', '{image}', '--opt', 'a=' + '1' * 400], 2, 'no filesystem'),
])
def test_bad_input_is_told_in_a_sentence(unpacked, tmp_path, args, code, words):
    (tmp_path / 'empty').write_bytes(b'')
    (tmp_path / 'tree').mkdir()
    (tmp_path / 'tree' / 'large').write_bytes(os.urandom(100_000))
    known = {'image': unpacked['basic_b512_p16_v21'][0], 'empty': tmp_path / 'empty', 'out': tmp_path / 'o.img', 'tree': tmp_path / 'tree'}
    done = flashport(*[a.format(**known) for a in args], ok=(code,))
    assert words.lower() in done.stderr.decode().lower()
    assert not (tmp_path / 'o.img').exists()
    assert not list(tmp_path.glob('*.part'))


def test_paths_need_no_leading_slash(unpacked, tmp_path):
    path, manifest = unpacked['many_b4096_v21']
    listed = json.loads(flashport('image', 'ls', path, '--json').stdout)
    file = next(e['path'] for e in listed if e['type'] == 'file' and e['path'].count('/') > 1)
    folder = os.path.dirname(file)
    assert flashport('image', 'cat', path, file[1:]).stdout == flashport('image', 'cat', path, file).stdout
    assert flashport('image', 'ls', path, folder[1:] + '/').stdout == flashport('image', 'ls', path, folder).stdout != b''
    assert json.loads(flashport('image', 'ls', path, file[1:], '--json').stdout) == [e for e in listed if e['path'] == file]
    flashport('image', 'extract', path, tmp_path / 'out', folder[1:])
    assert (tmp_path / 'out' / os.path.basename(file)).is_file()


@pytest.fixture
def large(tmp_path):
    """An image of 32 blocks of 4096: /a in block 0 or 1, /big in the last ones it takes."""
    (tmp_path / 'in').mkdir()
    (tmp_path / 'in' / 'a').write_bytes(b'small')
    (tmp_path / 'in' / 'big').write_bytes(os.urandom(60_000))
    image = tmp_path / 'whole.img'
    flashport('image', 'create', image, tmp_path / 'in', '--block-count', 32)
    return image


@pytest.mark.parametrize('size', [4 * 4096, 4 * 4096 + 100, 2 * 4096])
def test_an_image_that_is_cut_off_says_so(large, tmp_path, size):
    cut = tmp_path / 'cut.img'
    cut.write_bytes(large.read_bytes()[:size])
    said = f'{cut}: cut off: the file has {size} bytes, and the volume states {32 * 4096}'
    for args in (['info', cut], ['check', cut], ['ls', cut], ['ls', cut, '--json'], ['ls', cut, '--digest'], ['cat', cut, 'big'], ['extract', cut, tmp_path / 'out']):
        done = flashport('image', *args, ok=(3,))
        lost = f'flashport: {cut}: /big: not there whole\n' if args[0] == 'extract' else ''
        if '--json' in args:
            assert json.loads(done.stderr)['error']['text'] == said, args
        else:
            assert done.stderr.decode() == f'flashport: {said}\n{lost}', args
    assert [e['path'] for e in json.loads(flashport('image', 'ls', cut, '--json', ok=(3,)).stdout)] == ['/a', '/big']
    assert flashport('image', 'cat', cut, 'a').stdout == b'small'


def test_a_cut_that_loses_nothing_is_no_fault(tmp_path):
    cut, whole = tmp_path / 'cut.img', tmp_path / 'whole.img'
    (tmp_path / 'in').mkdir()
    (tmp_path / 'in' / 'a').write_bytes(b'small')  # lies in the root's pair, blocks 0 and 1
    flashport('image', 'create', whole, tmp_path / 'in', '--block-count', 32)
    cut.write_bytes(whole.read_bytes()[:2 * 4096])
    assert b'cut off' in flashport('image', 'info', cut).stdout
    assert json.loads(flashport('image', 'info', cut, '--json').stdout)['missing'] == 30 * 4096
    assert json.loads(flashport('image', 'info', whole, '--json').stdout)['missing'] == 0
    assert flashport('image', 'ls', cut, '--digest').stdout == flashport('image', 'ls', whole, '--digest').stdout


def test_damage_is_not_taken_for_a_cut(large, tmp_path):
    data = bytearray(large.read_bytes())
    data[8:16] = data[4096 + 8:4096 + 16] = b'nothing!'
    bad = tmp_path / 'bad.img'
    bad.write_bytes(data)
    assert b'cut off' not in flashport('image', 'info', bad, ok=(3,)).stderr


def test_create_replaces_only_when_told(large, tmp_path):
    before = large.read_bytes()
    assert b'--force' in flashport('image', 'create', large, tmp_path / 'in', ok=(6,)).stderr
    assert large.read_bytes() == before
    flashport('image', 'create', large, tmp_path / 'in', '--force', '--block-count', 40)
    assert large.stat().st_size == 40 * 4096


def test_each_verb_has_its_help():
    for verb, has, lacks in (('ls', '--digest', '--force'), ('create', '--force', '--digest'), ('cat', '--offset', '--prog-size')):
        for args in ([verb, '--help'], [verb, 'x.img', '-h']):
            text = flashport('image', *args).stdout.decode()
            assert text.startswith(f'usage: flashport image {verb} IMAGE') and has in text and lacks not in text, text
    assert all(word in flashport('image', '--help').stdout.decode() for word in ('info', '--force', '--digest', 'Exit codes'))
