# SPDX-License-Identifier: MIT
"""What the command line does without the libraries that it loads late (cli/late.h).

A file of that name which the loader finds first stands for one that is missing, or of another version.
"""
import os
import pathlib
import subprocess

import pytest

BIN = pathlib.Path(os.environ['FP_BIN'])
NEEDS = [('libcurl.so.4', 'libcurl4', ['devices']),
         ('libarchive.so.13', 'libarchive13', ['image', 'create', 'new.img', 'tree.tar', '--fs', 'fat']),
         ('libarchive.so.13', 'libarchive13', ['image', 'extract', 'fat.img', 'out.tar']),
         ('libedit.so.2', 'libedit2', ['image', 'shell', 'fat.img'])]


def flashport(*args, cwd, env=None):
    return subprocess.run([BIN / 'flashport', *args], cwd=cwd, env=env, capture_output=True, text=True, timeout=60)


@pytest.fixture
def desk(tmp_path):
    """A directory, a tar archive and an image of it."""
    (tmp_path / 'tree').mkdir()
    (tmp_path / 'tree' / 'a.txt').write_text('hello')
    subprocess.run(['tar', 'cf', 'tree.tar', '-C', 'tree', 'a.txt'], cwd=tmp_path, check=True)
    done = flashport('image', 'create', 'fat.img', 'tree', '--fs', 'fat', '--size', '1M', cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path


def without(library, path, content):
    (path / 'lib').mkdir()
    (path / 'lib' / library).write_bytes(content)
    return {**os.environ, 'LD_LIBRARY_PATH': str(path / 'lib')}


@pytest.mark.parametrize('library, package, args', NEEDS)
def test_a_missing_library_is_named_with_its_package(desk, library, package, args):
    done = flashport(*args, cwd=desk, env=without(library, desk, b''))
    assert done.returncode == 1
    assert library in done.stderr and package in done.stderr and done.stderr.count('\n') == 1
    assert not (desk / 'new.img').exists() and not (desk / 'out.tar').exists()


@pytest.mark.parametrize('library, package, args', NEEDS)
def test_a_library_without_a_function_is_refused(desk, library, package, args):
    made = desk / 'empty.so'
    subprocess.run(['cc', '-shared', '-x', 'c', '/dev/null', '-o', made], check=True)
    done = flashport(*args, cwd=desk, env=without(library, desk, made.read_bytes()))
    assert done.returncode == 1
    assert library in done.stderr and package in done.stderr and 'undefined symbol' in done.stderr


@pytest.mark.parametrize('library', sorted({library for library, *_ in NEEDS}))
def test_who_needs_none_does_without(desk, library):
    env = without(library, desk, b'')
    for args in (['--version'], ['image', 'info', 'fat.img'], ['image', 'cat', 'fat.img', 'a.txt'],
                 ['image', 'extract', 'fat.img', 'out'], ['image', 'check', 'fat.img']):
        done = flashport(*args, cwd=desk, env=env)
        assert done.returncode == 0, f'{args}: {done.stderr}'
    assert (desk / 'out' / 'a.txt').read_text() == 'hello'
