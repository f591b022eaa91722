# SPDX-License-Identifier: MIT
"""What the store takes of its disk, and what is left of it when that is full."""
import os
import subprocess

import pytest

from conftest import add_agent

MIB = 1 << 20


def log_sizes(bed):
    return [(bed.dir / 'store' / f'{name}.db-wal').stat().st_size for name in ('store', 'meta')]


def test_the_log_moves_into_the_databases(fresh):
    """A backup of unchanged flash logs two pages of 64 KiB, and some of 4 KiB of its job: forty of them, five and two MiB."""
    add_agent(fresh, 'dev', 'unix')
    fresh.start_daemon()
    fresh.online('dev')
    for _ in range(40):
        assert fresh.backup('dev')['state'] == 'done'
        assert max(log_sizes(fresh)) < 2 * MIB


@pytest.fixture
def small_disk(fresh):
    """The daemon's folder is a disk of 12 MiB; a1 has 2 MiB of flash that is full of noise, a2 has 32."""
    store = fresh.dir / 'store'
    store.mkdir(mode=0o700)
    done = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=12m,mode=700', 'fp-test', str(store)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f'a tmpfs cannot be mounted here: {done.stderr.strip()}')
    try:
        for name, size in (('a1', 2), ('a2', 32)):
            (fresh.dir / f'{name}.img').write_bytes(os.urandom(size * MIB))
            add_agent(fresh, name, 'unix', blocks=size * 256)
        fresh.start_daemon()
        fresh.online('a1')
        fresh.online('a2')
        yield fresh
        fresh.daemon.stop()
    finally:
        subprocess.run(['umount', '-l', str(store)], check=True)


def free(bed):
    disk = os.statvfs(bed.dir / 'store')
    return disk.f_bavail * disk.f_frsize


def fill(bed):
    """Somebody else takes all that is left of the disk."""
    with open(bed.dir / 'store' / 'ballast', 'ab', buffering=0) as f:
        for size in (65536, 4096, 1):
            try:
                while True:
                    f.write(b'x' * size)
            except OSError:
                pass
    assert free(bed) == 0


def image_of(bed, job):
    return bed.http.get(bed.api(f'/snapshots/{job["result"]["snapshot"]}/image')).content


def test_a_backup_that_does_not_fit_leaves_a_store_that_works(small_disk):
    bed = small_disk
    good, image = bed.backup('a1'), (bed.dir / 'a1.img').read_bytes()
    assert good['state'] == 'done', good
    before = free(bed)
    for _ in range(3):
        job = bed.backup('a2')
        assert job['state'] == 'failed' and job['error']['code'] == 'NOSPC', job
        assert 'disk' in job['error']['detail'], job
        assert free(bed) > before - 2 * MIB  # of which a log may have one
    assert image_of(bed, good) == image
    file = bed.api('/devices/a1/fs/flash/f')
    assert bed.http.put(file, data=os.urandom(500_000)).status_code == 201
    more = bed.backup('a1')
    assert more['state'] == 'done', more
    assert bed.http.delete(bed.api(f'/snapshots/{more["result"]["snapshot"]}')).status_code == 204
    pruned = bed.job(bed.http.post(bed.api('/store/prune')))
    assert pruned['state'] == 'done', pruned
    assert image_of(bed, good) == image
    verified = bed.job(bed.http.post(bed.api('/store/verify')))
    assert verified['state'] == 'done', verified


def test_a_job_that_failed_stays_so(small_disk):
    bed = small_disk
    failed = bed.backup('a2')
    assert failed['state'] == 'failed', failed
    bed.daemon.kill()
    subprocess.run(['mount', '-o', 'remount,size=128m', str(bed.dir / 'store')], check=True)
    bed.restart_daemon()
    bed.online('a2')
    again = bed.backup('a2')
    assert again['state'] == 'done', again
    assert bed.http.get(bed.api(f'/jobs/{failed["id"]}')).json() == failed
    assert len(bed.http.get(bed.api('/snapshots')).json()['snapshots']) == 1


def test_on_a_full_disk_snapshots_are_read_and_deleted(small_disk):
    bed = small_disk
    good, image = bed.backup('a1'), (bed.dir / 'a1.img').read_bytes()
    assert bed.http.put(bed.api('/devices/a1/fs/flash/f'), data=os.urandom(900_000)).status_code == 201
    other = bed.backup('a1')
    for end in (bed.daemon.stop, bed.daemon.kill):
        fill(bed)
        end()
        fill(bed)  # what it gave back when it ended
        bed.restart_daemon()
        bed.online('a1')
        assert image_of(bed, good) == image
        reply = bed.http.post(bed.api('/snapshots'), json={'device': 'a1', 'storage': 'flash0'})
        assert reply.status_code == 507 and 'disk' in reply.json()['detail'], reply.text
    there = free(bed)
    assert bed.http.delete(bed.api(f'/snapshots/{other["result"]["snapshot"]}')).status_code == 204
    pruned = bed.job(bed.http.post(bed.api('/store/prune')))
    assert pruned['state'] == 'done', pruned
    assert free(bed) > there + MIB // 2
    assert image_of(bed, good) == image
    (bed.dir / 'store' / 'ballast').unlink()
    assert bed.backup('a1')['state'] == 'done'


def test_a_full_daemon_is_not_a_full_device(small_disk):
    bed = small_disk
    noise = os.urandom(900_000)
    for i in range(2):
        assert bed.http.put(bed.api(f'/devices/a1/fs/flash/{i}'), data=noise).status_code == 201
    fill(bed)
    for url in ('/devices/a1/fs/flash/little', '/devices/a1/storages/flash0/image'):
        body = noise[:200_000] if url.endswith('little') else bytes(2 * MIB)
        full = bed.http.put(bed.api(url), data=body)
        assert (full.status_code, full.json()['type']) == (507, '/errors/daemon-full'), full.text
        assert 'volume' not in full.json()['detail'] and "daemon's disk" in full.json()['detail'] + full.json()['title'], full.text
    (bed.dir / 'store' / 'ballast').unlink()
    full = bed.http.put(bed.api('/devices/a1/fs/flash/2'), data=noise)
    assert (full.status_code, full.json()['type']) == (507, '/errors/volume-full'), full.text
    assert 'bytes free' in full.json()['detail'], full.text
