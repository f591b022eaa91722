# SPDX-License-Identifier: MIT
"""What is particular to flashport.exe: names, drives, and disks that Windows has
in use. `./dev test windows` runs it under wine, after the reference images
(test_image_manifests.py), which are no different there.
"""
import hashlib
import os
import pathlib
import subprocess

import pytest

BIN = pathlib.Path(os.environ.get('FP_BIN', ''))
NATIVE = os.environ.get('FP_NATIVE')  # flashport for the machine that runs the tests
pytestmark = [pytest.mark.windows, pytest.mark.skipif(BIN.name != 'wine', reason='./dev test windows runs these')]


def flashport(*args, ok=(0,), cwd=None):
    done = subprocess.run([BIN / 'flashport', *map(str, args)], capture_output=True, timeout=120, cwd=cwd)
    assert done.returncode in ok, f'{args}: exit {done.returncode}\n{done.stderr.decode()}'
    return done


@pytest.fixture
def tree(tmp_path):
    """Names in three scripts, and bytes that text files would change."""
    source = tmp_path / 'in'
    for name in ('grüße.txt', '温度/数据.bin', 'ключ', 'plain'):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(b'\r\n\n\x1a\xff' + hashlib.shake_128(name.encode()).digest(5000))
    return source


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob('*') if p.is_file()}


def test_names_and_bytes_go_in_and_out(tree, tmp_path):
    image = tmp_path / 'образ.img'
    flashport('image', 'create', image, tree)
    assert '/温度/数据.bin' in flashport('image', 'ls', image).stdout.decode().splitlines()
    assert flashport('image', 'cat', image, '/ключ').stdout == (tree / 'ключ').read_bytes()
    flashport('image', 'extract', image, tmp_path / 'out')
    assert contents(tmp_path / 'out') == contents(tree)
    for name in contents(tree):
        assert abs((tree / name).stat().st_mtime - (tmp_path / 'out' / name).stat().st_mtime) < 1e-3


def test_paths_as_they_are_typed_there(tree, tmp_path):
    windows = 'Z:' + str(tmp_path).replace('/', '\\')
    flashport('image', 'create', windows + '\\a.img', windows + '\\in')
    assert (tmp_path / 'a.img').exists()
    flashport('image', 'extract', 'a.img', '.\\out', cwd=tmp_path)
    assert contents(tmp_path / 'out') == contents(tree)


def test_create_replaces_the_old_image(tree, tmp_path):
    image = tmp_path / 'a.img'
    image.write_bytes(b'old')
    flashport('image', 'create', image, tree, ok=(6,))
    assert image.read_bytes() == b'old'
    flashport('image', 'create', image, tree, '--force', '--block-count', 64)
    assert image.stat().st_size == 64 * 4096
    assert not list(tmp_path.glob('*.part'))


def test_an_image_is_changed_in_place(tree, tmp_path):
    image = tmp_path / 'a.img'
    flashport('image', 'create', image, tree, '--block-count', 64)
    flashport('image', 'put', image, tree / 'ключ', '/новый')
    flashport('image', 'rm', image, '/plain')
    assert flashport('image', 'cat', image, '/новый').stdout == (tree / 'ключ').read_bytes()
    assert '/plain' not in flashport('image', 'ls', image).stdout.decode()
    assert b'clean' in flashport('image', 'check', image).stdout
    assert {p.name for p in tmp_path.iterdir()} == {'in', 'a.img'}


@pytest.mark.parametrize('name', ['..\\..\\up', 'a:b', 'nul.txt', 'dot.', 'what?'])
def test_a_name_that_means_something_else_is_not_written(name, tmp_path):
    """The image is made where such a name is one like any other."""
    image, out = tmp_path / 'a.img', tmp_path / 'deep' / 'er'
    (tmp_path / 'in').mkdir()
    (tmp_path / 'in' / name).write_bytes(b'content')
    subprocess.run([NATIVE, 'image', 'create', image, tmp_path / 'in'], check=True)
    out.mkdir(parents=True)
    done = flashport('image', 'extract', image, out, ok=(1,))
    assert 'no name for a file on Windows' in done.stderr.decode()
    assert not list(out.iterdir()) and {p.name for p in tmp_path.iterdir()} == {'in', 'deep', 'a.img'}
    assert flashport('image', 'cat', image, '/' + name).stdout == b'content'


@pytest.mark.parametrize('disk', ['\\\\.\\C:', '\\\\.\\PhysicalDrive0', '//./C:'])
@pytest.mark.parametrize('verb', [['info'], ['mkdir', '/d']])
def test_a_disk_that_is_not_given_up_is_refused_with_why(disk, verb):
    done = flashport('image', verb[0], disk, *verb[1:], ok=(1, 6))
    words = done.stderr.decode()
    assert words.startswith('flashport: ') and words.count('\n') == 1
    assert any(part in words for part in ('Windows does not', 'permission denied', 'in use by')), words


def test_a_disk_that_is_not_there():
    assert b'no such file' in flashport('image', 'info', '\\\\.\\PhysicalDrive77', ok=(4,)).stderr


def test_the_daemon_is_spoken_to_and_missed():
    done = flashport('devices', '--url', 'http://127.0.0.1:9', ok=(9,))
    assert done.stderr.startswith(b'flashport: ')
