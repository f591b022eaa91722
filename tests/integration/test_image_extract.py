# SPDX-License-Identifier: MIT
"""`flashport image extract` of many small files: all of them with their times, and what is in the way is told."""
import os
import pathlib
import subprocess

import pytest

pytestmark = pytest.mark.images
BIN = pathlib.Path(os.environ['FP_BIN'])
COUNT = 300


def flashport(*args, cwd):
    return subprocess.run([BIN / 'flashport', 'image', *args], cwd=cwd, capture_output=True, text=True, timeout=120)


def content(i):
    return bytes([i % 251]) * (i * 37 % 5000)


@pytest.fixture
def desk(tmp_path):
    """An image of 300 files in three directories, and a large one."""
    for i in range(COUNT):
        path = tmp_path / 'tree' / f'd{i % 3}' / f'f{i}'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(i))
        os.utime(path, (1_700_000_000 + 2 * i,) * 2)
    (tmp_path / 'tree' / 'large').write_bytes(b'large' * 50_000)
    done = flashport('create', 'fat.img', 'tree', '--fs', 'fat', '--size', '4M', cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_all_files_are_there_with_their_times(desk):
    done = flashport('extract', 'fat.img', 'out', cwd=desk)
    assert (done.returncode, done.stderr) == (0, '')
    for i in range(COUNT):
        path = desk / 'out' / f'd{i % 3}' / f'f{i}'
        assert path.read_bytes() == content(i)
        assert path.stat().st_mtime == 1_700_000_000 + 2 * i
    assert (desk / 'out' / 'large').read_bytes() == b'large' * 50_000
    assert sum(len(files) for _, _, files in os.walk(desk / 'out')) == COUNT + 1


@pytest.mark.parametrize('where', ['d0/f0', 'd1/f148', 'd2/f299', 'large'])
@pytest.mark.parametrize('what', ['directory', 'link'])
def test_what_is_in_the_way_is_told_once(desk, where, what):
    victim = desk / 'victim'
    victim.write_text('mine')
    path = desk / 'out' / where
    path.parent.mkdir(parents=True)
    if what == 'directory':
        path.mkdir()
    else:
        path.symlink_to(victim)
    done = flashport('extract', 'fat.img', 'out', cwd=desk)
    assert done.returncode == 1
    assert done.stderr.count('\n') == 1 and f'out/{where}: ' in done.stderr
    assert victim.read_text() == 'mine'
