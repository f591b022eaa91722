# SPDX-License-Identifier: MIT
"""What a filesystem cannot keep of what create and put bring: it is told, and nothing is done without --lossy."""
import json
import os
import subprocess

import pytest

from held import held
from images import flashport, sha

pytestmark = pytest.mark.images

WHEN = 1_580_702_706  # 2020-02-03 04:05:06 UTC


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


# --- folders without files ------------------------------------------------------

@pytest.mark.parametrize('fs', ['spiffs', 'bonsai'])
def test_folders_that_hold_nothing_are_told(here, fs):
    write(here / 'in', 'a', 'sub/b')
    for name in 'hollow/in/hollow', 'sub/void':
        (here / 'in' / name).mkdir(parents=True)
    lost = {'/hollow', '/hollow/in', '/hollow/in/hollow', '/sub/void'}
    said = flashport('create', 'x.img', 'in', '--fs', fs, ok=(1,))
    assert {line.split(': ')[1] for line in said.stdout.decode().splitlines()} == lost
    assert b'--lossy' in said.stderr and not (here / 'x.img').exists()
    told = json.loads(flashport('create', 'x.img', 'in', '--fs', fs, '--size', '64K', '--lossy', '--json').stdout)
    assert {entry['path'] for entry in told['lost']} == lost
    assert flashport('ls', 'x.img').stdout.split() == [b'/a', b'/sub/', b'/sub/b']

    before = (here / 'x.img').read_bytes()
    for source in 'in/hollow', 'in/sub':
        said = flashport('put', 'x.img', source, '/put/', ok=(1,))
        assert b'lost: /put/' in said.stdout and b'--lossy' in said.stderr
        assert (here / 'x.img').read_bytes() == before
    flashport('put', 'x.img', 'in/sub', '/put/', '--lossy')
    assert b'/put/sub/b' in flashport('ls', 'x.img').stdout
    flashport('put', 'x.img', 'in/a', '/c')  # what is lost is a matter of what comes


@pytest.mark.parametrize('fs', ['littlefs', 'fat'])
def test_where_they_are_kept_nothing_is_told(here, fs):
    (here / 'in' / 'hollow').mkdir(parents=True)
    assert not flashport('create', 'x.img', 'in', '--fs', fs, '--size', '1M').stdout
    assert not flashport('put', 'x.img', 'in', '/').stdout
    assert flashport('ls', 'x.img').stdout.split() == [b'/hollow/', b'/in/', b'/in/hollow/']


# --- what is no file ----------------------------------------------------------------

def test_pipes_and_links_to_nowhere_are_left_out(here):
    write(here / 'in', 'a')
    os.mkfifo(here / 'in' / 'pipe')
    (here / 'in' / 'link').symlink_to('nowhere')
    said = flashport('create', 'x.img', 'in', ok=(1,)).stderr.decode()
    assert 'in/pipe' in said and 'in/link' in said and '2 of the entries' in said and '--lossy' in said
    assert [p.name for p in here.iterdir()] == ['in']
    assert b'in/pipe' in flashport('create', 'x.img', 'in', '--size', '64K', '--lossy').stderr
    assert flashport('ls', 'x.img').stdout == b'/a\n'
    before = (here / 'x.img').read_bytes()
    flashport('put', 'x.img', 'in', '/', ok=(1,))
    assert (here / 'x.img').read_bytes() == before
    flashport('put', 'x.img', 'in', '/', '--lossy')
    assert flashport('ls', 'x.img').stdout == b'/a\n/in/\n/in/a\n'


# --- FAT ---------------------------------------------------------------------------

def mdir(image, path):
    return subprocess.run(['mdir', '-i', image, f'::{path}'], capture_output=True, check=True, env={**os.environ, 'TZ': 'UTC'}).stdout


@pytest.mark.parametrize('fs', ['littlefs', 'fat'])
def test_folders_have_their_times(here, fs):
    write(here / 'in', 'dated/sub/file')
    for name in 'in/dated/sub', 'in/dated':
        os.utime(name, (WHEN, WHEN))
    flashport('create', 'x.img', 'in', '--fs', fs, '--size', '1M')
    flashport('put', 'x.img', 'in/dated', '/put')
    os.utime('in/dated', (1, 1))
    flashport('put', 'x.img', 'in/dated', '/')  # it is there, and keeps its own
    times = {e.split()[4]: b' '.join(e.split()[2:4]) for e in flashport('ls', '-l', 'x.img', env={**os.environ, 'TZ': 'UTC'}).stdout.splitlines()}
    assert {times[p] for p in (b'/dated/', b'/dated/sub/', b'/put/', b'/put/sub/')} == {b'2020-02-03 04:05'}
    if fs == 'fat':
        assert b'2020-02-03   4:05' in mdir('x.img', '/') and b'2020-02-03   4:05' in mdir('x.img', '/put')


def test_names_that_differ_in_case_are_one_beyond_ascii(here):
    flashport('create', 'x.img', write(here / 'in', 'a'), '--fs', 'fat', '--size', '1M')
    for big, small in ('A', 'a'), ('É', 'é'), ('Ω', 'ω'), ('Я', 'я'):
        folder = write(here / f'of {big}', big, small)
        before = (here / 'x.img').read_bytes()
        assert b'has its name already' in flashport('put', 'x.img', folder, '/', ok=(6,)).stderr
        assert (here / 'x.img').read_bytes() == before
    flashport('put', 'x.img', write(here / 'more', 'É', 'É2', 'ß', 'SS'), '/')
    assert set(held(here / 'x.img', {'fs': 'fat'})[0]) == {'/a', '/more/É', '/more/É2', '/more/ß', '/more/SS'}


def test_a_root_that_is_full_is_no_lack_of_room(here):
    """512 slots, of which the label and each name of this kind take one."""
    subprocess.run(['mkfs.fat', '-C', '-F', '16', 'card.img', '16384'], check=True, capture_output=True)
    flashport('put', 'card.img', *(write(here / 'in', *(f'F{n}' for n in range(520))) / f'F{n}' for n in range(500)), '/')
    before = (here / 'card.img').read_bytes()
    said = flashport('put', 'card.img', *(here / 'in' / f'F{n}' for n in range(500, 520)), '/', ok=(7,)).stderr.decode()
    assert 'root folder' in said and 'into folders' in said and 'bits=32' in said
    assert (here / 'card.img').read_bytes() == before
    flashport('put', 'card.img', here / 'in', '/')
    (here / 'huge').write_bytes(bytes(17 << 20))
    assert b'free' in flashport('put', 'card.img', 'huge', '/', ok=(7,)).stderr
    said = flashport('create', 'x.img', 'in', '--fs', 'fat', '--size', '4M', '--opt', 'root=512', ok=(7,)).stderr.decode()
    assert 'root folder' in said


@pytest.mark.parametrize('count,size', [(70, []), (70, ['--size', '400K']), (700, []), (700, ['--size', '8M'])])
def test_create_makes_the_root_as_large_as_it_takes(here, count, size):
    """Names of 26 letters take three slots; a FAT of 400 KB has 64 ordinarily, others 512."""
    names = [f'a name of 26 letters - {n:03}' for n in range(count)]
    flashport('create', 'x.img', write(here / 'in', *names), '--fs', 'fat', *size)
    assert held(here / 'x.img', {'fs': 'fat'}) == ({f'/{n}': sha(n.encode()) for n in names}, [])
