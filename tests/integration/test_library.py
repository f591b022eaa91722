# SPDX-License-Identifier: MIT
"""The core as an installed library, and the pages that show it.

The build under test (the one that FP_BIN lies in) is installed into an empty folder,
and what a stranger would do is done there with nothing else of this tree in reach:
the example is copied, built by pkg-config and by find_package, and run. What it says
is held against the image file that it writes, looked at by tools of their own. Of
docs/block-devices.md the very text is compiled and its output compared.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.images

TESTS = pathlib.Path(__file__).resolve().parent.parent
ROOT = TESTS.parent
BIN = pathlib.Path(os.environ.get('FP_BIN', ROOT / 'build' / 'debug' / 'bin'))
EXAMPLE = ROOT / 'examples' / 'core-library'
COMPONENT = ['--component', 'flashport-core']
WARNINGS = ['-Wall', '-Wextra', '-Wconversion', '-Wshadow', '-Wvla', '-Werror']
ERASED = b'\xff' * 4096


def cached(name):
    """A variable of the build under test."""
    text = (BIN.parent / 'CMakeCache.txt').read_text()
    return re.search(rf'^{name}:\w+=(.*)$', text, re.M).group(1)


def run(*args, cwd, **env):
    """stdout; without variables that would lead a compiler to this tree"""
    clean = {k: v for k, v in os.environ.items() if k in ('PATH', 'HOME', 'LANG', 'TMPDIR')}
    done = subprocess.run([str(a) for a in args], cwd=cwd, env={**clean, **env}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f'{args}\n{done.stdout}{done.stderr}'
    return done.stdout


def flags():
    """The library is as sanitized as its build; who links it has to be, too."""
    sanitize = cached('FP_SANITIZE')
    return WARNINGS + ([f'-fsanitize={sanitize}'] if sanitize else [])


@pytest.fixture(scope='module')
def prefix(tmp_path_factory):
    made = tmp_path_factory.mktemp('installed')
    run('cmake', '--build', BIN.parent, '--target', 'fp_core', 'fp_core_host', cwd=ROOT)
    run('cmake', '--install', BIN.parent, *COMPONENT, '--prefix', made, cwd=made)
    return made


def libdir(prefix):
    return prefix / cached('CMAKE_INSTALL_LIBDIR')


def pkg_config(prefix, *args):
    return run('pkg-config', *args, cwd=prefix, PKG_CONFIG_PATH=str(libdir(prefix) / 'pkgconfig')).split()


def headers(prefix):
    root = prefix / 'include' / 'flashport'
    return sorted(p.relative_to(root).as_posix() for p in root.rglob('*.h'))


def compiled(prefix, tmp_path, name, sources, package='flashport-core', compiler=None):
    compiler = compiler or [cached('CMAKE_C_COMPILER'), '-std=c11', *flags()]
    run(*compiler, '-o', name, *sources, *pkg_config(prefix, '--cflags', '--libs', package), cwd=tmp_path)
    return tmp_path / name


@pytest.fixture(params=['pkg-config', 'find_package'])
def tour(request, prefix, tmp_path):
    """The example, copied out of this tree and built as its own files say."""
    folder = tmp_path / 'mine'
    shutil.copytree(EXAMPLE, folder)
    if request.param == 'pkg-config':
        run('make', cwd=folder, CC=cached('CMAKE_C_COMPILER'), CFLAGS=' '.join(flags()),
            PKG_CONFIG_PATH=str(libdir(prefix) / 'pkgconfig'))
        return folder / 'tour'
    run('cmake', '-S', '.', '-B', 'build', f'-DCMAKE_PREFIX_PATH={prefix}', f'-DCMAKE_C_COMPILER={cached("CMAKE_C_COMPILER")}',
        f'-DCMAKE_C_FLAGS={" ".join(flags())}', cwd=folder)
    run('cmake', '--build', 'build', cwd=folder)
    return folder / 'build' / 'tour'


def number(pattern, text):
    return int(re.search(pattern, text).group(1))


def test_the_example_says_what_its_image_holds(tour, tmp_path):
    """2 MiB, a size of ours: its files, free blocks and superblock, seen by readers that are not this library."""
    text = run(tour, 2048, 'my.img', cwd=tmp_path)
    data = (tmp_path / 'my.img').read_bytes()
    blocks = [data[i:i + 4096] for i in range(0, len(data), 4096)]

    assert len(blocks) == 512 and 'memory: 512 blocks of 4096 bytes; /hello.txt says "hello, flash"' in text
    done = subprocess.run([sys.executable, TESTS / 'tools' / 'littlefs_check.py', tmp_path / 'my.img', '--block-size', '4096',
                           '--prog-size', '16', '--json', '--settled'], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    checked = json.loads(done.stdout)
    tree = {f['path']: f['size'] for f in checked['files']}
    assert tree == {'/hello.txt': 12, '/log.bin': 600, '/even.bin': 4096, '/odd.bin': 4096}
    for path, size in tree.items():
        assert re.search(rf'^  {path} +{size} bytes$', text, re.M), text

    # A superblock pair, and a block for each file but the one that fits its directory.
    assert checked['blocks_in_use'] == 5 and 'used 5 blocks: 2 metadata, 3 data' in text
    assert {number(r'superblock in block (\d+), erases: about [1-9]', text), number(r'superblock in block (\d+), the older one', text)} == {0, 1}
    erased = [n for n, block in enumerate(blocks) if block == ERASED]
    assert number(r'(\d+) erased, ', text) == len(erased) > 100
    assert number(r'(\d+) stale\n', text) == 512 - 5 - len(erased)
    runs = [(int(first), int(count)) for count, first in re.findall(r'erased run: (\d+) blocks from block (\d+)', text)]
    assert [n for first, count in runs for n in range(first, first + count)] == erased
    marks = ''.join(re.findall(r'^  ([Mdx.!]+)$', text, re.M))
    assert [n for n, mark in enumerate(marks) if mark == '.'] == erased and len(marks) == 512


def test_the_example_measures_and_logs(tour, tmp_path):
    text = run(tour, 512, cwd=tmp_path)
    assert (tmp_path / 'tour.img').stat().st_size == 512 * 1024
    log, measured = text.split('measuring: ')
    listed = re.findall(r'^  (read|prog|erase|sync) +at 0x([0-9a-f]{6}), +(\d+) bytes$', log, re.M)
    assert number(r'(\d+) operations', log) == len(listed)
    # 600 bytes go to one block, which is erased before anything is programmed there.
    [erase] = [int(off, 16) for op, off, _ in listed if op == 'erase']
    there = [(int(off, 16), int(size)) for op, off, size in listed if op == 'prog' and erase <= int(off, 16) < erase + 4096]
    assert sum(size for _, size in there) == 608  # in units of 16
    # 200 blocks of content, each of them erased; the directory's come on top.
    calls = {op: (int(n), int(size)) for op, n, size in re.findall(r'^  (\w+) +(\d+) calls +(\d+) bytes', measured, re.M)}
    assert 200 <= calls['erase'][0] <= 210 and calls['prog'][1] >= 200 * 4096
    assert number(r'wear: (\d+) erases', measured) == calls['erase'][1] / 4096
    assert float(re.search(r'([\d.]+) MB/s', measured).group(1)) > 0 and number(r'(\d+) files/s', measured) > 0


def test_a_size_that_is_none_is_refused_in_words(tour, tmp_path):
    done = subprocess.run([tour, '5'], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith('usage: tour') and not done.stdout


def test_the_page_shows_what_the_example_prints(tour, tmp_path):
    """All but the times."""
    text, page = run(tour, cwd=tmp_path), (ROOT / 'docs' / 'core-library.md').read_text()
    assert re.search(r'^  wear: .*?^  M metadata', text, re.M | re.S).group() in page


def test_every_header_stands_alone(prefix, tmp_path):
    """In C, and in C++ as every C library is taken there."""
    cflags = pkg_config(prefix, '--cflags', 'flashport-core')
    assert {'core/bdev/bdev.h', 'core/fs/fs.h', 'core/fs/littlefs/littlefs.h', 'core/host/analyze.h', 'core/vfs/vfs.h',
            'core/digest/sha256.h'} <= set(headers(prefix))
    for header in headers(prefix):
        (tmp_path / 'one.c').write_text(f'#include "{header}"\nint one;\n')
        (tmp_path / 'one.cc').write_text(f'extern "C" {{\n#include "{header}"\n}}\nint one;\n')
        run(cached('CMAKE_C_COMPILER'), '-std=c11', *WARNINGS, '-fsyntax-only', *cflags, 'one.c', cwd=tmp_path)
        run('g++', '-std=c++17', '-Wall', '-Wextra', '-Werror', '-fsyntax-only', *cflags, 'one.cc', cwd=tmp_path)


def test_what_is_private_stays_here(prefix):
    """A driver's folder shows one header, and no file names a place of this tree."""
    for driver in (prefix / 'include' / 'flashport' / 'core' / 'fs').iterdir():
        assert driver.is_file() or [p.name for p in driver.iterdir()] == [f'{driver.name}.h']
    for path in prefix.rglob('*'):
        if path.suffix in ('.h', '.pc', '.cmake'):
            assert str(ROOT) not in path.read_text() and '-Werror' not in path.read_text(), path


def test_the_core_alone_needs_nothing_of_the_host(prefix):
    """What libflashport-core leaves undefined is the mem* and str* functions, and assert's in a build that has it."""
    if cached('FP_SANITIZE'):
        pytest.skip('a sanitizer needs functions of its own; core.freestanding.needs asks the same of other builds')
    listed = run('nm', libdir(prefix) / 'libflashport-core.a', cwd=prefix)
    defined = set(re.findall(r'^\w+ [A-TV-Za-z] (\S+)$', listed, re.M))
    needed = set(re.findall(r'^ +U (\S+)$', listed, re.M)) - defined
    assert {n for n in needed if not re.match(r'mem|str|__assert_fail|__stack_chk_fail|_GLOBAL_OFFSET', n)} == set()


def test_destdir_and_a_moved_folder(prefix, tmp_path):
    """A packager's install: files lie below DESTDIR, and what they say does not name it."""
    run('cmake', '--install', BIN.parent, *COMPONENT, '--prefix', '/usr', cwd=tmp_path, DESTDIR=str(tmp_path / 'root'))
    staged = sorted(p.relative_to(tmp_path / 'root' / 'usr') for p in (tmp_path / 'root').rglob('*') if p.is_file())
    assert staged == sorted(p.relative_to(prefix) for p in prefix.rglob('*') if p.is_file())
    for path in (tmp_path / 'root').rglob('*.pc'):
        assert str(tmp_path) not in path.read_text()
    moved = tmp_path / 'moved'
    (tmp_path / 'root' / 'usr').rename(moved)
    (tmp_path / 'v.c').write_text('#include "core/error.h"\nint main(void) { return fp_strerror(0) ? 0 : 1; }\n')
    run(compiled(moved, tmp_path, 'v', ['v.c']), cwd=tmp_path)


# --- docs/block-devices.md -----------------------------------------------------

def page_blocks(marker, language):
    text = (ROOT / 'docs' / 'block-devices.md').read_text()
    return re.findall(rf'<!-- {marker}[^>]*-->\n```{language}\n(.*?)```', text, re.S)


def test_the_page_on_block_devices_is_a_program_that_says_what_it_says(prefix, tmp_path):
    for name in ('nor.c', 'nor.h'):
        shutil.copy(EXAMPLE / name, tmp_path)
    (tmp_path / 'page.c').write_text('\n'.join(page_blocks('program', 'c')))
    program = compiled(prefix, tmp_path, 'page', ['page.c', 'nor.c'])
    assert run(program, cwd=tmp_path) == ''.join(page_blocks('output', 'text'))


def test_a_device_takes_twenty_lines():
    """Of code: lines with more than a brace."""
    [device] = page_blocks('program: device', 'c')
    assert len([line for line in device.splitlines() if line.strip(' {};') and not line.startswith('#')]) <= 20
