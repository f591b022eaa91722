# SPDX-License-Identifier: MIT
"""Every reference image of every filesystem, by the command line, against its manifest.

A folder of tests/images is a filesystem, NAME.json with NAME.img.gz (or .img) an
image; who adds a folder adds these tests. Geometry is given only where nothing in
the image tells it (STATED). The stored view (`ls --raw`) is exactly the manifest's;
of the default view, whose names follow each format's rule, the contents are.
"""
import collections
import gzip
import hashlib
import json
import os
import pathlib
import subprocess

import pytest

pytestmark = pytest.mark.images

TESTS = pathlib.Path(__file__).resolve().parent.parent
BIN = pathlib.Path(os.environ.get('FP_BIN', TESTS.parent / 'build' / 'debug' / 'bin'))


def is_known(fs):
    """Has this build its driver? A wrong name is wrong usage, whatever the image."""
    return subprocess.run([BIN / 'flashport', 'image', 'ls', __file__, '--fs', fs], capture_output=True).returncode != 2


FORMATS = [p.name for p in sorted((TESTS / 'images').iterdir()) if is_known(p.name)]
IS_WINDOWS = BIN.name == 'wine'
EVERY = int(os.environ.get('FP_IMAGES_EVERY', 1))  # a program that starts slowly gets one image in so many
ALL = [p.relative_to(TESTS / 'images').with_suffix('') for fs in FORMATS for p in sorted((TESTS / 'images' / fs).glob('*.json'))[::EVERY]]


def spiffs(m):
    geometry, options = m['geometry'], m['options']
    opts = {'name_len': options['obj_name_len'], 'meta_len': options['obj_meta_len'], 'magic': options['use_magic'],
            'magic_length': options['use_magic_length'], 'aligned': options['aligned_object_index_tables'],
            'id_bytes': options['id_bytes'], 'erase': geometry['phys_erase_block'], 'addr': geometry['phys_addr']}
    return ['--fs', 'spiffs', '--block-size', geometry['log_block_size'], '--page-size', geometry['log_page_size'],
            '--opt', ','.join(f'{k}={v}' for k, v in opts.items())]


def bonsai(m):
    return ['--fs', 'bonsai', '--opt', f'start={m["geometry"]["partition_start"]}']


def littlefs(m):
    """A wrong block count is an error only for a caller who states one."""
    return ['--block-count', m['geometry']['block_count']] if m.get('mount_error') == 'INVAL' else []


STATED = {'littlefs': littlefs, 'spiffs': spiffs, 'bonsai': bonsai}


def flashport(*args, ok=(0,)):
    done = subprocess.run([BIN / 'flashport', *map(str, args)], capture_output=True, timeout=120)
    assert done.returncode in ok, f'{args}: exit {done.returncode}\n{done.stderr.decode()}'
    return done


@pytest.fixture(scope='module')
def image(request, tmp_path_factory):
    """(path, manifest) of request.param, checked against its manifest's digest"""
    base = TESTS / 'images' / request.param
    manifest = json.loads(base.with_suffix('.json').read_text())
    packed = base.with_suffix('.img.gz')
    data = gzip.decompress(packed.read_bytes()) if packed.exists() else base.with_suffix('.img').read_bytes()
    assert hashlib.sha256(data).hexdigest() == manifest['image_sha256']
    path = tmp_path_factory.mktemp('image') / f'{base.name}.img'
    path.write_bytes(data)
    yield path, manifest
    assert hashlib.sha256(path.read_bytes()).hexdigest() == manifest['image_sha256'], 'a reader has written'
    path.unlink()


def refused(manifest):
    return manifest.get('mount') == 'error' or manifest.get('initialised') is False


def volumes(manifest):
    """(options that lead to it, what it holds) of each volume"""
    stated = STATED.get(manifest['fs'], lambda m: [])(manifest)
    if 'volumes' not in manifest:
        return [(stated, [f for f in manifest['files'] if not f.get('dangling')])]  # an address where no file is
    found = [(['--offset', v['offset']], v['files']) for v in manifest['volumes']]
    return [([], found[0][1]), *found]  # the first needs no words


def row(f):
    kept = {'path': f['path'], 'type': f['type'], 'size': f.get('size', 0)}
    if f['path'] is None:
        kept['path_hex'] = f['path_hex']
    if f['type'] == 'file':
        kept['sha256'] = f['sha256']
    return kept


def by_bytes(f):
    return bytes.fromhex(f['path_hex']) if f.get('path_hex') else f['path'].encode()


@pytest.mark.parametrize('image', map(str, ALL), indirect=True)
def test_what_is_stored_is_the_manifest(image):
    path, manifest = image
    for stated, files in volumes(manifest):
        if refused(manifest):
            done = flashport('image', 'ls', path, '--raw', '--json', *stated, ok=(3,))
            assert json.loads(done.stderr)['error']['exit'] == done.returncode and not done.stdout
            continue
        unreadable = {f['path'] for f in files if 'read_error' in f}
        done = flashport('image', 'ls', path, '--raw', '--json', '--digest', *stated, ok=(0, 3) if unreadable else (0,))
        listed = [f for f in json.loads(done.stdout) if f['path'] not in unreadable]
        assert listed == sorted((row(f) for f in files if f['path'] not in unreadable), key=by_bytes)


@pytest.mark.parametrize('image', map(str, ALL), indirect=True)
def test_the_default_view_has_the_same_contents(image, tmp_path):
    path, manifest = image
    if refused(manifest):
        return
    for n, (stated, files) in enumerate(volumes(manifest)):
        if any('read_error' in f for f in files):
            continue
        listed = json.loads(flashport('image', 'ls', path, '--json', '--digest', *stated).stdout)
        contents = collections.Counter(f['sha256'] for f in listed if f['type'] == 'file' and f['size'])
        assert contents == collections.Counter(f['sha256'] for f in files if f['type'] == 'file' and f['size'])
        assert listed == sorted(listed, key=by_bytes)
        done = flashport('image', 'extract', path, tmp_path / str(n), *stated, ok=(0, 1) if IS_WINDOWS else (0,))
        if done.returncode:  # names that cannot be there
            assert b'no name for a file on Windows' in done.stderr or b'Illegal byte sequence' in done.stderr, done.stderr
            continue
        there = {hashlib.sha256(p.read_bytes()).hexdigest() for p in (tmp_path / str(n)).rglob('*') if p.is_file() and p.stat().st_size}
        assert there == set(contents)


@pytest.mark.parametrize('image', map(str, ALL), indirect=True)
def test_info_and_check_end_in_words(image):
    path, manifest = image
    for stated, _ in volumes(manifest):
        expect = (3,) if refused(manifest) else (0,)
        done = flashport('image', 'info', path, '--json', *stated, ok=expect)
        if not refused(manifest):
            assert json.loads(done.stdout)['fs'] == manifest['fs']
        done = flashport('image', 'check', path, *stated, ok=(0, *expect, 3))
        assert done.stdout or done.stderr
        if manifest.get('fsck_exit') == 0 or (manifest.get('check', {}).get('result') == 0 and 'power_loss' not in manifest):
            assert done.returncode == expect[0], done.stdout.decode()


@pytest.mark.parametrize('fs', FORMATS)
@pytest.mark.parametrize('fit', ['smallest', 'stated'])
def test_create_makes_what_is_read_again(tmp_path, fs, fit):
    """Names and sizes that every format takes."""
    source, made, out = tmp_path / 'in', tmp_path / 'made.img', tmp_path / 'out'
    source.mkdir()
    for name, size in (('a.txt', 5), ('empty', 0), ('b.bin', 200), ('c', 1), *((f'f{i}', i * 9) for i in range(8))):
        (source / name).write_bytes(hashlib.shake_128(name.encode()).digest(size))
    count = ['--block-count', 200] if fit == 'stated' else []
    flashport('image', 'create', made, source, '--fs', fs, *count)
    named = ['--fs', fs]
    listed = json.loads(flashport('image', 'ls', made, '--json', '--digest', *named).stdout)
    assert {f['path']: f['sha256'] for f in listed if f['type'] == 'file'} == {
        f'/{p.name}': hashlib.sha256(p.read_bytes()).hexdigest() for p in source.iterdir()}
    assert b'clean' in flashport('image', 'check', made, *named).stdout
    flashport('image', 'extract', made, out, *named)
    assert {p.name: p.read_bytes() for p in out.iterdir()} == {p.name: p.read_bytes() for p in source.iterdir()}
