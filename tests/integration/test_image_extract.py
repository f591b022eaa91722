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


def free_chain(image, content):
    """The chain of clusters of a file in a FAT16 image leads to a free one after the first."""
    data = bytearray(image.read_bytes())
    sector, per, reserved, fats, root, size = (int.from_bytes(data[a:b], 'little') for a, b in ((11, 13), (13, 14), (14, 16), (16, 17), (17, 19), (22, 24)))
    start = (reserved + fats * size) * sector + root * 32
    cluster = (data.index(content[:64]) - start) // (sector * per) + 2
    for fat in range(fats):
        at = (reserved + fat * size) * sector + 2 * cluster
        data[at:at + 2] = bytes(2)
    image.write_bytes(data)


def test_past_a_damaged_file_it_goes_on(tmp_path):
    files = {name: bytes(name * 5000, 'ascii') for name in ('a1', 'b2', 'c3', 'd4')}
    (tmp_path / 'tree' / 'sub').mkdir(parents=True)
    for name, data in files.items():
        (tmp_path / 'tree' / ('sub' if name == 'c3' else '.') / name).write_bytes(data)
    assert flashport('create', 'x.img', 'tree', '--fs', 'fat', '--size', '16M', '--opt', 'bits=16,cluster=2048', cwd=tmp_path).returncode == 0
    for name in ('b2', 'c3'):
        free_chain(tmp_path / 'x.img', files[name])
    done = flashport('extract', 'x.img', 'out', cwd=tmp_path)
    assert done.returncode == 3
    assert [line.split(': ')[2] for line in done.stderr.splitlines()] == ['/b2', '/sub/c3'], done.stderr
    there = {str(p.relative_to(tmp_path / 'out')): p.read_bytes() for p in (tmp_path / 'out').rglob('*') if p.is_file()}
    assert there == {name: files[name] for name in ('a1', 'd4')}
    done = flashport('extract', 'x.img', 'out.tar', cwd=tmp_path)
    assert done.returncode == 3 and not (tmp_path / 'out.tar').exists()
    done = flashport('extract', 'x.img', 'one', 'sub/c3', cwd=tmp_path)
    assert done.returncode == 3 and done.stderr.count('\n') == 1


def test_past_a_damaged_directory_it_goes_on(tmp_path):
    """A hundred entries take two clusters; those of the first are there."""
    (tmp_path / 'tree' / 'lostdir').mkdir(parents=True)
    for path in 'before', 'last', *(f'lostdir/{i:08}.bin' for i in range(100)):
        (tmp_path / 'tree' / path).write_text(path)
    assert flashport('create', 'x.img', 'tree', '--fs', 'fat', '--size', '16M', '--opt', 'bits=16,cluster=2048', cwd=tmp_path).returncode == 0
    data = (tmp_path / 'x.img').read_bytes()
    free_chain(tmp_path / 'x.img', data[data.index(b'.          \x10'):][:64])
    done = flashport('extract', 'x.img', 'out', cwd=tmp_path)
    assert done.returncode == 3 and [line.split(': ')[2] for line in done.stderr.splitlines()] == ['/lostdir'], done.stderr
    there = [str(p.relative_to(tmp_path / 'out')) for p in (tmp_path / 'out').rglob('*') if p.is_file()]
    assert 'before' in there and 'last' in there and 2 < len(there) < 100


def test_what_is_there_already_is_written_over(desk):
    for i in range(0, COUNT, 7):
        path = desk / 'out' / f'd{i % 3}' / f'f{i}'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'older, and longer than any other' * 200)
    (desk / 'out' / 'large').write_bytes(b'older' * 100_000)
    test_all_files_are_there_with_their_times(desk)


# --- and into an image -------------------------------------------------------

EDGE = 65536  # bytes; what has as many is not read ahead


@pytest.fixture
def sources(desk):
    for size in (0, EDGE - 1, EDGE, EDGE + 1, 3 * EDGE):
        path = desk / 'tree' / 'd1' / f'edge{size}'
        path.write_bytes((b'%8d' % size) * (size // 8) + b'.' * (size % 8))
    return desk


def tree_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob('*') if p.is_file()}


@pytest.mark.parametrize('size', [['--size', '8M'], []], ids=['stated', 'smallest'])
def test_all_files_go_in_and_the_same_way_each_time(sources, size):
    for name in ('a.img', 'b.img'):
        done = flashport('create', name, 'tree', '--fs', 'littlefs', *size, cwd=sources)
        assert (done.returncode, done.stderr) == (0, '')
    assert (sources / 'a.img').read_bytes() == (sources / 'b.img').read_bytes()
    assert flashport('extract', 'a.img', 'again', cwd=sources).returncode == 0
    assert tree_of(sources / 'again') == tree_of(sources / 'tree')
    for i in range(0, COUNT, 11):
        assert (sources / 'again' / f'd{i % 3}' / f'f{i}').stat().st_mtime == 1_700_000_000 + 2 * i


def test_put_takes_what_is_not_there_and_keeps_the_rest(sources):
    assert flashport('create', 'fat2.img', 'tree', '--fs', 'fat', '--size', '8M', cwd=sources).returncode == 0
    for i in range(0, COUNT, 40):
        assert flashport('rm', 'fat2.img', f'/d{i % 3}/f{i}', cwd=sources).returncode == 0
    (sources / 'tree' / 'd0' / 'f3').write_bytes(b'not this one')
    done = flashport('put', 'fat2.img', *(f'tree/d{n}' for n in range(3)), '/', '--no-clobber', cwd=sources)
    assert (done.returncode, done.stderr) == (0, '')
    (sources / 'tree' / 'd0' / 'f3').write_bytes(content(3))
    assert flashport('extract', 'fat2.img', 'again', cwd=sources).returncode == 0
    assert tree_of(sources / 'again') == tree_of(sources / 'tree')


@pytest.mark.parametrize('verb', ['create', 'put'])
def test_a_file_that_cannot_be_read_is_told_and_nothing_changes(sources, verb):
    """Of others' memory nothing can be read, though it is a file."""
    (sources / 'tree' / 'd1' / 'f99x').symlink_to('/proc/self/mem')
    before = (sources / 'fat.img').read_bytes()
    args = (['fat.img', 'tree', '--fs', 'fat', '--force'] if verb == 'create' else ['fat.img', 'tree/d1', '/new'])
    if verb == 'put':
        assert flashport('mkdir', 'fat.img', '/new', cwd=sources).returncode == 0
        before = (sources / 'fat.img').read_bytes()
    done = flashport(verb, *args, cwd=sources)
    assert done.returncode == 1
    assert done.stderr.count('\n') == 1 and 'd1/f99x: ' in done.stderr
    assert (sources / 'fat.img').read_bytes() == before


def test_a_full_volume_is_told_as_such(sources):
    """In the root, too, where names may run out as well."""
    (sources / 'flat').mkdir()
    for i in range(40):
        (sources / 'flat' / f'f{i:02}').write_bytes(bytes(30_000))
    (sources / 'one').mkdir()
    (sources / 'one' / 'only').write_bytes(b'x')
    assert flashport('create', 'full.img', 'one', '--fs', 'fat', '--size', '512K', cwd=sources).returncode == 0
    done = flashport('put', 'full.img', *(f'flat/f{i:02}' for i in range(40)), '/', cwd=sources)
    assert (done.returncode, 'does not fit' in done.stderr) == (7, True), done.stderr
