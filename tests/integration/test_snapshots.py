# SPDX-License-Identifier: MIT
"""Backups and restores as their users meet them: the real daemon over HTTP,
real agents with the times of real flash, and somebody who pulls plugs.

What is expected is the agent's own image file, and the word of the checker in
tests/tools, which shares no code with the driver.
"""
import pathlib
import random
import subprocess
import sys
import time

from bed import wait_for
from conftest import add_agent

TOOLS = pathlib.Path(__file__).resolve().parent.parent / 'tools'


def content(size, seed=1):
    return random.Random(seed).randbytes(size)


def image(bed, name):
    return (bed.dir / f'{name}.img').read_bytes()


def put(bed, device, name, data):
    reply = bed.http.put(bed.api(f'/devices/{device}/fs/flash/{name}'), data=data)
    assert reply.status_code in (201, 204), reply.text


def get(bed, device, name):
    return bed.http.get(bed.api(f'/devices/{device}/fs/flash/{name}'))


def start_backup(bed, device):
    return bed.http.post(bed.api('/snapshots'), json={'device': device, 'storage': 'flash0'})


def start_restore(bed, snapshot, device):
    return bed.http.post(bed.api(f'/snapshots/{snapshot}/restore'), json={'device': device, 'storage': 'flash0'})


def job_of(bed, reply):
    return bed.http.get(bed.url + reply.headers['Location']).json()


def done(bed, reply):
    job = bed.job(reply)
    assert job['state'] == 'done', job
    return job['result']


def checker(path):
    return subprocess.run([sys.executable, TOOLS / 'littlefs_check.py', path, '--block-size', '4096'],
                          capture_output=True, text=True, timeout=120)


def two(bed, timing='none', blocks=128):
    add_agent(bed, 'one', 'unix', blocks=blocks)
    add_agent(bed, 'two', 'unix', blocks=blocks, timing=timing)
    bed.start_daemon()
    bed.online('one')
    bed.online('two')


def test_what_is_there_already_costs_nothing(fresh):
    two(fresh)
    put(fresh, 'one', 'f', content(200_000))
    first = done(fresh, start_backup(fresh, 'one'))
    assert first['complete'] and first['fetched'] >= 200_000 // 4096 and first['new_bytes'] > 200_000
    again = done(fresh, start_backup(fresh, 'one'))
    assert (again['fetched'], again['new_bytes']) == (0, 0)
    done(fresh, start_restore(fresh, first['snapshot'], 'two'))
    assert image(fresh, 'one') == image(fresh, 'two')
    twin = done(fresh, start_backup(fresh, 'two'))
    assert (twin['fetched'], twin['new_bytes']) == (0, 0)
    got = fresh.http.get(fresh.api(f'/snapshots/{twin["snapshot"]}/image')).content
    assert got == image(fresh, 'one')


def test_a_small_request_passes_a_backup_by(fresh):
    """Over a line of 921,600 baud, which a backup fills for seconds."""
    fresh.agent('one', blocks=256, timing='nor')
    fresh.line('one', 921600)
    fresh.start_daemon()
    fresh.online('one')
    put(fresh, 'one', 'big', content(300_000))
    put(fresh, 'one', 'small', b'hello')
    reply = start_backup(fresh, 'one')
    seen = 0
    while job_of(fresh, reply)['state'] in ('queued', 'running'):
        assert get(fresh, 'one', 'small').content == b'hello'
        seen += 1
    result = done(fresh, reply)
    assert seen > 1
    got = fresh.http.get(fresh.api(f'/snapshots/{result["snapshot"]}/image')).content
    assert got == image(fresh, 'one')


def test_a_killed_daemon_ends_the_backup_it_began(fresh):
    fresh.agent('one', blocks=256, timing='nor')
    fresh.line('one', 921600)
    fresh.start_daemon()
    fresh.online('one')
    put(fresh, 'one', 'big', content(300_000))
    reply = start_backup(fresh, 'one')
    path = reply.headers['Location']
    wait_for('copying', lambda: job_of(fresh, reply)['progress']['done'] > 0)
    for _ in range(3):
        time.sleep(0.3)
        fresh.daemon.kill()
        fresh.restart_daemon()
    job = wait_for('the job', lambda: (lambda j: j if j['state'] in ('done', 'failed') else None)(
        fresh.http.get(fresh.url + path).json()), 120)
    assert job['state'] == 'done', job
    got = fresh.http.get(fresh.api(f'/snapshots/{job["result"]["snapshot"]}/image')).content
    assert got == image(fresh, 'one')
    log = fresh.http.get(fresh.url + path + '/log').json()['log']
    assert any('again' in line['text'] for line in log), log


def programming(bed, reply):
    def ready():
        job = job_of(bed, reply)
        assert job['state'] in ('queued', 'running'), job
        return job['phase'] == 'programming' and job['progress']['done'] > 2
    wait_for('programming', ready)


def test_a_restore_cut_by_power_is_no_filesystem_and_goes_on(fresh):
    two(fresh, timing='nor')
    put(fresh, 'one', 'f', content(300_000))
    put(fresh, 'two', 'old', content(50_000, 2))
    snapshot = done(fresh, start_backup(fresh, 'one'))['snapshot']
    reply = start_restore(fresh, snapshot, 'two')
    programming(fresh, reply)
    agent = fresh.processes[1]
    agent.kill()
    assert checker(fresh.dir / 'two.img').returncode == 2
    wait_for('waiting', lambda: job_of(fresh, reply)['state'] == 'waiting')
    # An agent that is told to format where there is no filesystem would do so.
    at = agent.args.index('--format')
    del agent.args[at:at + 2]
    (fresh.dir / 'two.unix').unlink(missing_ok=True)
    agent.start()
    done(fresh, reply)
    assert image(fresh, 'one') == image(fresh, 'two')
    assert get(fresh, 'two', 'f').content == content(300_000)
    assert checker(fresh.dir / 'two.img').returncode == 0


def test_a_cancelled_restore_says_what_it_left(fresh):
    two(fresh, timing='nor')
    put(fresh, 'one', 'f', content(300_000))
    snapshot = done(fresh, start_backup(fresh, 'one'))['snapshot']
    reply = start_restore(fresh, snapshot, 'two')
    programming(fresh, reply)
    assert fresh.http.delete(fresh.url + reply.headers['Location']).status_code in (200, 202, 204)
    job = fresh.job(reply)
    assert job['state'] == 'cancelled' and 'no filesystem' in job['error']['detail'], job
    volume = fresh.http.get(fresh.api('/devices/two')).json()['volumes'][0]
    assert not volume.get('fs'), volume
    done(fresh, start_restore(fresh, snapshot, 'two'))
    assert image(fresh, 'one') == image(fresh, 'two')


def waits_for(bed, reply, limit):
    """The job says so before it ends"""
    def told():
        job = job_of(bed, reply)
        assert job['state'] in ('queued', 'running'), job
        return job['progress'].get('limit') == limit
    wait_for(limit, told)


def test_a_restore_to_slow_flash_says_that_it_waits_for_it(fresh):
    two(fresh, timing='nor', blocks=256)    # the device is asked each 2 s, and may answer late
    put(fresh, 'one', 'f', content(980_000))
    reply = start_restore(fresh, done(fresh, start_backup(fresh, 'one'))['snapshot'], 'two')
    waits_for(fresh, reply, 'flash')
    done(fresh, reply)


def test_a_backup_over_a_slow_line_says_that_it_waits_for_it(fresh):
    (fresh.dir / 'slow.img').write_bytes(content(512 << 10))
    fresh.agent('slow', blocks=128, listen='pty')
    fresh.line('slow', 115200)
    fresh.start_daemon()
    fresh.online('slow', 30)
    reply = start_backup(fresh, 'slow')
    waits_for(fresh, reply, 'link')
    fresh.http.delete(fresh.url + reply.headers['Location'])
    fresh.job(reply)


def test_backups_while_the_device_is_written_to_are_whole(fresh):
    two(fresh, timing='nor')
    put(fresh, 'two', 'still', content(60_000))
    for i in range(5):
        reply = start_backup(fresh, 'two')
        while job_of(fresh, reply)['state'] in ('queued', 'running'):
            put(fresh, 'two', 'moving', content(20_000, i))
        result = done(fresh, reply)
        path = fresh.dir / f'taken-{i}.img'
        path.write_bytes(fresh.http.get(fresh.api(f'/snapshots/{result["snapshot"]}/image')).content)
        said = checker(path)
        assert said.returncode == 0, said.stdout
        got = fresh.http.get(fresh.api(f'/snapshots/{result["snapshot"]}/fs/still'))
        assert got.content == content(60_000)


def test_a_region_is_taken_and_restored_alone(fresh):
    add_agent(fresh, 'one', 'unix', blocks=128, extra=['--region', 'cal=flash0@262144+65536'])
    fresh.start_daemon()
    fresh.online('one')
    before = image(fresh, 'one')
    reply = fresh.http.post(fresh.api('/snapshots'), json={'device': 'one', 'storage': 'flash0', 'region': 'cal'})
    snapshot = done(fresh, reply)['snapshot']
    told = fresh.http.get(fresh.api(f'/snapshots/{snapshot}')).json()
    assert (told['region'], told['size']) == ('cal', 65536)
    put(fresh, 'one', 'f', content(250_000))
    changed = image(fresh, 'one')
    done(fresh, start_restore(fresh, snapshot, 'one'))
    after = image(fresh, 'one')
    assert after[262144:262144 + 65536] == before[262144:262144 + 65536]
    assert after[:262144] == changed[:262144] and after[262144 + 65536:] == changed[262144 + 65536:]


def test_a_smaller_image_is_restored_only_if_asked(fresh):
    add_agent(fresh, 'small', 'unix', blocks=64)
    add_agent(fresh, 'large', 'unix', blocks=128)
    fresh.start_daemon()
    for name in ('small', 'large'):
        fresh.online(name)
    put(fresh, 'large', 'f', content(300_000))
    before = image(fresh, 'large')
    snapshot = done(fresh, start_backup(fresh, 'small'))['snapshot']
    reply = start_restore(fresh, snapshot, 'large')
    assert reply.status_code == 409 and reply.json()['type'] == '/errors/size-differs', reply.text
    assert str(64 * 4096) in reply.json()['detail'] and str(128 * 4096) in reply.json()['detail']
    assert image(fresh, 'large') == before
    asked = {'device': 'large', 'storage': 'flash0', 'smaller': True}
    done(fresh, fresh.http.post(fresh.api(f'/snapshots/{snapshot}/restore'), json=asked))
    assert image(fresh, 'large') == image(fresh, 'small') + before[64 * 4096:]
    larger = done(fresh, start_backup(fresh, 'large'))['snapshot']
    assert start_restore(fresh, larger, 'small').status_code == 413
