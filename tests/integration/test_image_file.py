# SPDX-License-Identifier: MIT
"""The file that an image is, when the image is changed: who else has it open, what a signal leaves, links, rights, disks."""
import contextlib
import fcntl
import os
import signal
import stat
import subprocess
import time

import pytest

from images import HERE, a, b, content, fat, flashport, heed_signals, reference, sha, sources  # noqa: F401
from held import held
from test_image_manifests import BIN

pytestmark = pytest.mark.images

@pytest.fixture
def image(tmp_path):
    path = tmp_path / 'flash.img'
    reference('littlefs/basic_b4096_p256_v21')(path)
    return path


def twin_of(image):
    return image.parent / f'.{image.name}.flashport'


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


# the lock on the copy takes its time
SLOW_LOCK = b'''
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <unistd.h>
int fcntl64(int fd, int how, void *arg) { if (how == 37) usleep(500000); return syscall(SYS_fcntl, fd, how, arg); }
int fcntl(int fd, int how, void *arg) { return fcntl64(fd, how, arg); }
'''


def test_an_interrupt_as_soon_as_the_copy_is_there_leaves_nothing(image, tmp_path):
    """Between the call that makes it and the next, which is held up for that"""
    slow = tmp_path / 'slow.so'
    subprocess.run(['cc', '-shared', '-fPIC', '-o', slow, '-x', 'c', '-'], input=SLOW_LOCK, check=True)
    env = dict(os.environ, LD_PRELOAD=str(slow), ASAN_OPTIONS='verify_asan_link_order=0')
    run = subprocess.Popen([BIN / 'flashport', 'image', 'put', image, '-', '/late'], stdin=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heed_signals, env=env)
    while not twin_of(image).exists():
        assert run.poll() is None
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    assert run.returncode == -signal.SIGINT
    assert not twin_of(image).exists()


def test_what_a_kill_leaves_is_taken_up_by_the_next(image, sources):
    before = image.read_bytes()
    with put_at_work(image) as run:
        run.kill()
        run.wait(60)
    assert image.read_bytes() == before and twin_of(image).exists()
    flashport('put', image, 'a.txt', 'x')
    assert not twin_of(image).exists()


# --- made anew -------------------------------------------------------------------

@contextlib.contextmanager
def create_at_work(tmp_path):
    """A create of a tree that takes its time."""
    source = tmp_path / 'source'
    source.mkdir()
    for n in range(24):
        (source / f'{n}').write_bytes(content(f'{n}', 1 << 20))
    image = tmp_path / 'new.img'
    run = subprocess.Popen([BIN / 'flashport', 'image', 'create', image, source, '--block-count', '16384'], preexec_fn=heed_signals)
    try:
        for _ in range(6000):
            if twin_of(image).exists() or run.poll() is not None:
                break
            time.sleep(0.005)
        assert run.poll() is None, 'it has not begun, or is done'
        yield run, image
    finally:
        run.kill()
        run.wait(60)


def test_what_a_kill_leaves_of_a_new_image_is_taken_up_by_the_next(tmp_path):
    with create_at_work(tmp_path) as (run, image):
        run.kill()
        run.wait(60)
        assert sorted(p.name for p in tmp_path.iterdir()) == ['.new.img.flashport', 'source']
    small = tmp_path / 'small'
    small.mkdir()
    (small / 'a').write_bytes(a)
    flashport('create', image, small)
    assert sorted(p.name for p in tmp_path.iterdir()) == ['new.img', 'small', 'source']
    assert flashport('ls', image).stdout == b'/a\n' and flashport('check', image).stdout == b'clean\n'


def test_two_that_make_one_image_are_kept_apart(tmp_path):
    with create_at_work(tmp_path) as (run, image):
        os.kill(run.pid, signal.SIGSTOP)
        said = flashport('create', image, tmp_path / 'source', ok=(6,)).stderr.decode()
        assert 'somebody else is changing it' in said
        os.kill(run.pid, signal.SIGCONT)
        assert run.wait(120) == 0
    assert flashport('cat', image, '3').stdout == content('3', 1 << 20)


def test_a_new_image_has_the_rights_of_a_new_file_a_replaced_one_its_own(tmp_path, sources):
    old = os.umask(0o027)
    try:
        flashport('create', tmp_path / 'x.img', 'tree')
        assert stat.S_IMODE((tmp_path / 'x.img').stat().st_mode) == 0o640
        (tmp_path / 'x.img').chmod(0o604)
        flashport('create', tmp_path / 'x.img', 'later', '--force')
        assert stat.S_IMODE((tmp_path / 'x.img').stat().st_mode) == 0o604
    finally:
        os.umask(old)
    assert flashport('cat', tmp_path / 'x.img', 'a.txt').stdout == HERE['later/a.txt']


def test_nothing_takes_the_place_of_what_is_no_file(tmp_path, sources):
    os.mkfifo(tmp_path / 'pipe')
    assert b'no ordinary file' in flashport('create', tmp_path / 'pipe', 'tree', '--force', ok=(1,)).stderr
    assert stat.S_ISFIFO((tmp_path / 'pipe').stat().st_mode)


@pytest.mark.parametrize('size', ['200M', '8G'])
def test_a_card_is_made_with_holes(tmp_path, sources, size):
    path = tmp_path / 'card.img'
    flashport('create', path, 'tree', '--fs', 'fat', '--size', size)
    st = path.stat()
    assert st.st_size == {'200M': 200 << 20, '8G': 8 << 30}[size] and st.st_blocks * 512 < 1 << 20
    assert subprocess.run(['fsck.fat', '-n', path], capture_output=True).returncode == 0
    assert subprocess.run(['mtype', '-i', path, '::/sub/two'], capture_output=True).stdout == HERE['tree/sub/two']


# --- who else, and where ----------------------------------------------------------

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
