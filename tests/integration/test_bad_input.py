# SPDX-License-Identifier: MIT
"""Bad input through real processes: devices that lie, volumes and disks that
are full, flash that rotted, and what people type.

Expected statuses are those of the error table, exit codes those of `flashport
--help`. A sanitizer's word in any process's output fails the test at the end of
its bed.
"""
import concurrent.futures
import gzip
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import sqlite3
import subprocess
import time
import urllib.parse

import pytest
import requests

from bed import BIN, Bed, Process, wait_for
from conftest import add_agent

TESTS = pathlib.Path(__file__).resolve().parent.parent
IMAGES = TESTS / 'images' / 'littlefs'
LIARS_PY = TESTS / 'device' / 'liars.py'
GROWTH_KB = 64 * 1024  # what a daemon may grow by under all of this


@pytest.fixture(scope='module', autouse=True)
def small_quarantine():
    """ASan keeps 256 MiB of freed memory by default; memory is measured here."""
    before = os.environ.get('ASAN_OPTIONS')
    os.environ['ASAN_OPTIONS'] = 'quarantine_size_mb=1:' + (before or '')
    yield
    if before is None:
        del os.environ['ASAN_OPTIONS']
    else:
        os.environ['ASAN_OPTIONS'] = before


def content(size, seed=1):
    return random.Random(seed).randbytes(size)


def problem(reply, status, code=None):
    assert reply.status_code == status, (reply.status_code, reply.text)
    assert reply.headers['Content-Type'] == 'application/problem+json'
    doc = reply.json()
    assert doc['detail'] and (code is None or doc['code'] == code), doc
    return doc


def rss_kb(process):
    text = pathlib.Path(f'/proc/{process.child.pid}/status').read_text()
    return int(re.search(r'VmRSS:\s+(\d+)', text).group(1))


# --- devices that lie --------------------------------------------------------


def liar(bed, name, manner, argument=None, listen='unix'):
    """A device of tests/device/liars.py; where it will listen."""
    where = bed.place(name, listen)
    bed.process(name, '/usr/bin/python3', LIARS_PY, '--id', name, '--listen', f'{listen}:{where}', manner, *([argument] if argument else []))
    bed.links.append(f'unix:{where}' if listen == 'unix' else f'serial:{where}@921600')
    return where


class Liars:
    """A bed whose daemon serves liars and one honest agent, `dev`."""

    def __init__(self, bed, cases):
        self.bed, paths = bed, []
        for name, case in cases.items():
            paths.append(liar(bed, name, *case))
        add_agent(bed, 'dev', 'unix', blocks=64)
        for path in paths:
            wait_for(path, lambda path=path: os.path.lexists(path))
        bed.start_daemon()
        bed.online('dev')

    def link(self, name):
        for link in self.bed.http.get(self.bed.api('/devices')).json()['links']:
            if re.search(rf'/{name}\.(unix|pty)', link['name']):
                return link
        raise KeyError(name)


# Who never comes online: how it lies, the states it may be seen in (between
# tries also those of the next one), and words of the reason.
RETRY = {'opening', 'syncing', 'hello', 'backoff'}
NEVER = {
    'noise': (('Noise',), set(), 'no agent answers'), 'ptynoise': (('Noise', '2', 'pty'), set(), 'no agent answers'),
    'zeros': (('Zeros',), set(), 'no agent answers'), 'endless': (('Endless',), set(), 'no agent answers'),
    'ptyendless': (('Endless', None, 'pty'), set(), 'no agent answers'), 'frames': (('Frames',), set(), ''),
    'ptyframes': (('Frames', '3', 'pty'), set(), ''), 'silence': (('Silence',), set(), 'no agent answers'),
    'ptysilence': (('Silence', None, 'pty'), set(), 'no agent answers'), 'zombie': (('Zombie',), set(), 'no agent answers'),
    'hangup': (('Hangup',), {'absent'}, 'closed'),
    'unasked': (('Unasked',), {'refused'}, 'something else'), 'rubbish': (('Rubbish',), {'refused'}, 'no message'),
    'notbulk': (('NotBulk',), {'refused'}, 'no bulk record'), 'mutehello': (('HelloLater',), {'refused'}, 'not answer'),
    'norefused': (('HelloRefused',), {'incompatible'}, 'refused our Hello'), 'manyvolumes': (('ManyVolumes',), {'refused'}, '8 volumes'),
    'neverlast': (('NeverLast',), {'refused'}, 'not answer'), 'beyond': (('BeyondCredit',), {'refused'}, 'no message'),
    'idpath': (('Hello', "device_id=b'../../etc'"), {'refused'}, 'its id'), 'idempty': (('Hello', "device_id=b''"), {'refused'}, 'its id'),
    'idcontrol': (('Hello', "device_id=b'a\\x1b[31m'"), {'refused'}, 'its id'), 'idup': (('Hello', "device_id=b'..'"), {'refused'}, 'its id'),
    'idlong': (('Hello', "device_id=b'x'*1000"), {'refused'}, ''), 'id65': (('Hello', "device_id=b'x'*65"), {'refused'}, 'no message'),
    'epoch': (('Hello', "epoch=b'abc'"), {'refused'}, 'epoch'), 'version': (('Hello', 'version=2'), {'incompatible'}, 'version'),
    'requests': (('Hello', 'max_requests=0'), {'refused'}, '2 requests'), 'volpath': (('Volume', "path=b'/../etc'"), {'refused'}, 'path'),
    'volnul': (('Volume', r"path=b'/a\0b'"), {'refused'}, 'path'), 'volfs': (('Volume', r"fs=b'\xff'"), {'refused'}, 'filesystem'),
    'noblocks': (('Storage', 'block_size=0'), {'refused'}, 'blocks'), 'chunksize': (('Storage', 'chunk_size=1'), {'refused'}, 'chunks'),
    'stoname': (('Storage', "name=b'..'"), {'refused'}, 'name'),
    'region': (('Storage', "regions=[dict(name=b'r', size=2**64-1)]"), {'refused'}, 'outside'),
    'regionend': (('Storage', "regions=[dict(name=b'r', off=2**64-4096, size=8192)]"), {'refused'}, 'outside'),
    'samevolumes': (('SameVolumes',), {'refused'}, 'twice'), 'samestorages': (('SameStorages',), {'refused'}, 'twice'),
    'neverstorage': (('NeverLastStorage',), {'refused'}, 'not answer'), 'drip': (('Drip',), set(), 'no agent answers'),
    'busy': (('BusyForEver',), {'refused'}, 'not answer'),
}


def test_who_is_no_agent_is_told_so(fresh):
    """Some forty liars at once; the honest device is served all the while."""
    liars = Liars(fresh, {name: case for name, (case, _, _) in NEVER.items()})
    data, url = content(20_000), fresh.api('/devices/dev/fs/flash/f')
    assert fresh.http.put(url, data=data).status_code == 201
    before, waiting = rss_kb(fresh.daemon), dict(NEVER)
    end = time.monotonic() + 40
    while waiting and time.monotonic() < end:
        assert fresh.http.get(url, timeout=10).content == data
        links = {re.search(r'/(\w+)\.(?:unix|pty)', link['name']).group(1): link
                 for link in fresh.http.get(fresh.api('/devices')).json()['links']}
        for name, (_, states, words) in list(waiting.items()):
            link = links[name]
            assert link['state'] != 'online', link
            if link['state'] in states | RETRY and link.get('reason') and words in link['reason']:
                assert link['reason'].isprintable()
                del waiting[name]
        time.sleep(0.2)
    assert not waiting, {name: liars.link(name) for name in waiting}
    known = fresh.http.get(fresh.api('/devices')).json()['devices']
    assert all(re.fullmatch(r'[A-Za-z0-9._-]{1,64}', d['id']) and d['id'] not in ('.', '..') for d in known)
    assert all(d.get('reason') for d in known if d['id'] != 'dev'), known
    assert rss_kb(fresh.daemon) - before < GROWTH_KB
    # Nobody may fill the log either: each is told of once, not at each try.
    assert len(fresh.daemon.output()) < 64 * 1024


# Who comes online and then lies: what GET of the directory, GET of the file and
# a snapshot give. `broken`: the body breaks off.
OK, PROTO = 200, (502, 'PROTO')
LIARS = {
    'wrongids': (('WrongIds',), (504, 'TIMEDOUT'), OK), 'mute': (('Mute',), (504, 'TIMEDOUT'), OK),
    'huge': (('Huge',), OK, OK), 'endlesslist': (('EndlessList',), PROTO, OK), 'samecursor': (('SameCursor',), OK, OK),
    'name0': (('Entries', r"name=b''"), PROTO, OK), 'name1': (('Entries', r"name=b'..'"), PROTO, OK), 'name2': (('Entries', r"name=b'a/b'"), PROTO, OK),
    'name3': (('Entries', r"name=b'a\0b'"), PROTO, OK), 'name4': (('Entries', r"name=b'\x1b[31m\xff'"), OK, OK), 'name5': (('Entries', r"name=b'x'*255"), OK, OK),
    'readmore': (('ReadMore',), OK, 'broken'), 'readfill': (('ReadFill',), OK, 'broken'), 'readless': (('ReadLess',), OK, 'broken'),
    'readsum': (('ReadWrongSum',), OK, 'broken'), 'readhuge': (('ReadHuge',), OK, 'broken'), 'readtwice': (('ReadTwice',), OK, 'broken'),
    'otherstream': (('ReadOtherStream',), OK, 'broken'), 'otherkind': (('OtherKind',), PROTO, PROTO), 'chatter': (('Chatter',), OK, OK),
    'fail0': (('Fails', '0'), (502, None), (502, None)), 'fail999': (('Fails', '999'), (502, None), (502, None)),
    'failneg': (('Fails', '-5'), PROTO, (502, 503)), 'failnoent': (('Fails', '2'), (404, 'NOENT'), (404, 'NOENT')),
    'failspace': (('Fails', '28'), (507, 'NOSPC'), (507, 'NOSPC')), 'chunks': (('Chunks',), OK, OK), 'chunkflood': (('ChunkFlood',), OK, OK),
    'chunklies': (('ChunkLies',), OK, OK), 'huge16t': (('Storage', 'block_count=2**32-1'), OK, OK), 'hugeblock': (('Storage', 'block_size=2**32-1'), OK, OK),
}
FILE = bytes(range(256)) * 40  # as tests/device/liars.py has it


def is_as(reply, expected):
    if expected == OK:
        assert reply.status_code == 200, reply.text
    elif isinstance(expected[1], int):
        assert reply.status_code in expected and reply.json()['detail']
    else:
        assert problem(reply, *expected)['detail'].isprintable()


def ask_liar(bed, name):
    _, listing, file = LIARS[name]
    base = bed.api(f'/devices/{name}/fs/flash')
    with requests.Session() as http:
        http.headers.update(bed.http.headers)
        is_as(http.get(f'{base}/?limit=1000', timeout=60), listing)
        if file == 'broken':
            done = subprocess.run(['curl', '-sS', '-m', '50', '-H', f'Authorization: {http.headers["Authorization"]}', f'{base}/file'],
                                  capture_output=True, timeout=60)
            assert done.returncode in (18, 56), (done.returncode, done.stderr)
        else:
            reply = http.get(f'{base}/file', timeout=60)
            is_as(reply, file)
            assert file != OK or reply.content == FILE
        reply = http.post(bed.api('/snapshots'), json={'device': name, 'storage': 'flash0'}, timeout=60)
        if name in ('huge16t', 'hugeblock'):
            problem(reply, 413, 'FBIG')
        elif name.startswith('chunk'):
            job = bed.job(reply)
            if name == 'chunklies':  # as flash that reads differently each time: kept, with holes
                assert job['result']['complete'] is False, job
            else:
                assert job['state'] == 'failed' and job['error']['detail'], job
    return name


def test_a_directory_without_end_is_not_emptied_for_ever(fresh):
    """It has 16 KiB: no room for more than 2048 entries of 8 bytes."""
    Liars(fresh, {'endless': ('EndlessDirectory',)})
    fresh.online('endless')
    reply = fresh.http.delete(fresh.api('/devices/endless/fs/flash/dir?recursive=1'), timeout=120)
    assert problem(reply, 502, 'PROTO')['detail'] == 'The device lists entries without end: 2048 were deleted, and there are more.'


def test_a_line_with_a_new_name_at_each_turn_fills_no_log(fresh):
    Liars(fresh, {'names': ('NewNames',)})
    seen = wait_for('forty names', lambda: (ids := {d['id'] for d in fresh.http.get(fresh.api('/devices')).json()['devices']}) and len(ids) > 40 and ids, 60)
    lines = [line for line in fresh.daemon.output().splitlines() if 'names.unix' in line]
    [last] = [line for line in lines if 'comes and goes too often to be told' in line][:1]
    assert lines.index(last) == 30 and len(lines) < 2 * len(seen), lines


def test_liars_are_caught_and_nobody_else_waits(fresh):
    Liars(fresh, {name: case for name, (case, _, _) in LIARS.items()})
    for name in LIARS:
        fresh.online(name)
    data, url = content(20_000), fresh.api('/devices/dev/fs/flash/f')
    assert fresh.http.put(url, data=data).status_code == 201
    before = rss_kb(fresh.daemon)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(ask_liar, fresh, name) for name in LIARS]
        while not all(a.done() for a in asked):
            assert fresh.http.get(url, timeout=10).content == data
            time.sleep(0.1)
        failed = {name: a.exception() for name, a in zip(LIARS, asked) if a.exception()}
    assert not failed, failed
    assert fresh.backup('dev')['state'] == 'done'
    assert rss_kb(fresh.daemon) - before < GROWTH_KB
    snapshots = fresh.http.get(fresh.api('/snapshots')).json()['snapshots']
    whole = {s['device'] for s in snapshots if s['complete']}
    assert 'dev' in whole and not whole & {'chunks', 'chunkflood', 'chunklies', 'otherkind', 'huge16t', 'hugeblock'}, whole


# Who comes online and lies about the rest. What is asked for ends, in whatever way the table of errors has.
WORSE = {
    'muteall': ('MuteAll',), 'emptylist': ('EmptyList',), 'nocredit': ('NoCredit',), 'acks': ('Acks',), 'failures': ('FailsTwice', '5'),
    'any1': ('AnyKind', '1'), 'any2': ('AnyKind', '2'), 'any3': ('AnyKind', '3'),
    'entrytype': ('Entries', 'type=99'), 'entrysize': ('Entries', 'size=2**64-1, has_mtime=True, mtime_ns=-2**63'),
    'noentry': ('NoEntry',), 'stattype': ('Stat', 'type=7'), 'statsize': ('Stat', 'size=2**64-1'), 'statname': ('Stat', "name=b'../x'*60"),
    'endless': ('ReadEndless',), 'fills1': ('ReadFills', '1'), 'fills2': ('ReadFills', '2'), 'fills3': ('ReadFills', '3'),
    'nostream': ('ReadNoStream',), 'readdrip': ('ReadDrip',), 'digestshort': ('Digests', "sha256=b'x'"), 'digestnone': ('Digests', "sha256=b''"),
    'digestwrong': ('Digests', "sha256=bytes(32), size=2**64-1"), 'putoff': ('Puts', 'off=2**64-1'), 'putbehind': ('Puts', 'off=5'),
    'putearly': ('PutEarly',), 'putbusy': ('PutBusy',), 'putstale': ('PutStale',), 'findings': ('Findings',), 'stats': ('EndlessStats',),
    'chunkshort': ('ChunkDigests', "digests=b'x'"), 'chunkfirst': ('ChunkDigests', 'first=1'), 'chunkmore': ('ChunkDigests', 'last=False'),
    'chunkkind': ('ChunkDigests', r"status=b'\x63'*16"), 'chunkendless': ('ChunkEndless',), 'chunkstatus': ('ChunkStatus',),
    'volsize': ('Volume', 'size=2**64-1, free=2**64-1, name_max=2**32-1, file_max=2**64-1, block_size=0, caps=2**32-1, promise=2**32-1'),
    'volcaps': ('Volume', 'caps=0'), 'gen': ('Storage', 'gen_trusted=False, read_size=0, prog_size=2**32-1, flags=2**32-1'),
    'features': ('Hello', 'features=2**32-1-16, max_streams=2**32-1, path_max=1, rx_bytes=0, busy_max_ms=2**32-1'),
}


def end_job(bed, reply):
    """A job may wait ten minutes for a device that hashes; it ends at once when it is told to."""
    try:
        bed.job(reply, 20)
    except TimeoutError:
        assert bed.http.delete(bed.url + reply.headers['Location']).status_code < 300
        bed.job(reply, 40)


def ask_everything(bed, name):
    base, device = bed.api(f'/devices/{name}/fs/flash'), bed.api(f'/devices/{name}')
    asked = [('GET', f'{base}/', {}), ('GET', f'{base}/file', {}), ('HEAD', f'{base}/file?etag', {}), ('GET', f'{base}/file', {'headers': {'Range': 'bytes=5-9'}}),
             ('PUT', f'{base}/new', {'data': FILE}), ('PUT', f'{base}/file', {'data': b'x', 'headers': {'If-Match': '"0"'}}),
             ('MOVE', f'{base}/file', {'headers': {'Destination': f'{base}/moved'}}), ('MKCOL', f'{base}/dir/', {}), ('DELETE', f'{base}/file', {}),
             ('POST', f'{device}/volumes/flash', {'json': {'action': 'check'}}), ('GET', f'{device}/stats', {}), ('GET', device, {}),
             ('POST', bed.api('/snapshots'), {'json': {'device': name, 'storage': 'flash0'}})]

    def ask(how, url, more):
        with requests.Session() as http:
            http.headers.update(bed.http.headers)
            try:
                reply = http.request(how, url, timeout=100, **more)
            except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError) as broken:
                assert how == 'GET', (how, url, broken)  # a body that broke off, as it has to
                return
            assert reply.status_code < 400 or how == 'HEAD' or problem(reply, reply.status_code)['detail'].isprintable(), (how, url)
            if reply.status_code == 202:
                end_job(bed, reply)
    with concurrent.futures.ThreadPoolExecutor(len(asked)) as pool:
        list(pool.map(lambda args: ask(*args), asked))


def test_whatever_they_answer_requests_end(fresh):
    Liars(fresh, {name: case for name, case in WORSE.items()})
    for name in WORSE:
        fresh.online(name)
    data, url = content(20_000), fresh.api('/devices/dev/fs/flash/f')
    assert fresh.http.put(url, data=data).status_code == 201
    before = most = rss_kb(fresh.daemon)
    with concurrent.futures.ThreadPoolExecutor(len(WORSE)) as pool:
        asked = {name: pool.submit(ask_everything, fresh, name) for name in WORSE}
        while not all(a.done() for a in asked.values()):
            assert fresh.http.get(url, timeout=20).content == data
            most = max(most, rss_kb(fresh.daemon))
            time.sleep(0.1)
    failed = {name: a.exception() for name, a in asked.items() if a.exception()}
    assert not failed, failed
    assert fresh.backup('dev')['state'] == 'done'
    assert most - before < GROWTH_KB
    assert all(name.isprintable() for name in fresh.daemon.output().splitlines())


def test_chunks_that_grow_under_a_request(fresh):
    """The daemon's buffers are of the chunks that were told before; a request that has begun ends."""
    Liars(fresh, {name: ('Regrows',) for name in ('image', 'backup', 'restore')})
    for name in ('image', 'backup', 'restore'):
        fresh.online(name)
    done = subprocess.run(['curl', '-sS', '-m', '50', '-H', f'Authorization: {fresh.http.headers["Authorization"]}',
                           fresh.api('/devices/image/storages/flash0/image')], capture_output=True, timeout=60)
    assert done.returncode == 18 and len(done.stdout) < 256 * 4096, (done.returncode, len(done.stdout), done.stderr)
    for reply in (fresh.http.post(fresh.api('/snapshots'), json={'device': 'backup', 'storage': 'flash0'}),
                  fresh.http.put(fresh.api('/devices/restore/storages/flash0/image'), data=content(256 * 4096))):
        job = fresh.job(reply)
        assert job['state'] == 'failed' and 'geometry' in job['error']['detail'], job
    assert fresh.backup('dev')['state'] == 'done'


def test_who_waits_for_something_of_the_device_waits_no_longer_than_others(fresh):
    """For an end of its changes, for a stream, for a link that comes back."""
    Liars(fresh, {name: (manner,) for name, manner in (('dirty', 'Dirty'), ('hog', 'Hog'), ('zero', 'ZeroEpoch'))})
    for name in ('dirty', 'hog', 'zero'):
        fresh.online(name)
    http, file = fresh.http, '/devices/{}/fs/flash/file'

    def hogged():
        with pytest.raises(requests.exceptions.Timeout):
            http.get(fresh.api(file.format('hog')), timeout=2)
        return http.get(fresh.api(file.format('hog')), timeout=90)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        mount = pool.submit(http.post, fresh.api('/devices/dirty/volumes/flash'), json={'action': 'mount'}, timeout=90)
        hog, zero = pool.submit(hogged), pool.submit(http.get, fresh.api(file.format('zero')), timeout=90)
        assert mount.result().status_code in (204, 504)  # that it ends
        for reply in (hog.result(), zero.result()):
            assert (reply.status_code, reply.content) == (200, FILE)


def test_a_medium_that_comes_again_and_again(fresh):
    """Its storages are asked for twice a second at most."""
    Liars(fresh, {'media': ('Media',)})
    fresh.online('media')

    def asked():
        return fresh.http.get(fresh.api('/devices/media/stats')).json()['counters']['asked']
    begin, first = time.monotonic(), asked()
    wait_for('three times', lambda: asked() >= first + 3)
    assert (asked() - first) <= 2 * (time.monotonic() - begin) + 1


def test_a_file_that_is_smaller_when_it_is_read(fresh):
    Liars(fresh, {'twice': ('SizeTwice',)})
    fresh.online('twice')
    problem(fresh.http.get(fresh.api('/devices/twice/fs/flash/file'), headers={'Range': 'bytes=0-5'}), 409, 'STALE')


# --- no room -----------------------------------------------------------------


def spooled(process):
    """Bytes in the largest file without a name that the process holds."""
    sizes = [0]
    for fd in pathlib.Path(f'/proc/{process.child.pid}/fd').iterdir():
        try:
            if '(deleted)' in os.readlink(fd):
                sizes.append(fd.stat().st_size)
        except OSError:  # closed meanwhile
            pass
    return max(sizes)


def test_an_upload_of_unknown_length_is_kept_no_further_than_its_volume_goes(fresh):
    fresh.agent('dev', blocks=64, listen='unix')
    fresh.start_daemon()
    fresh.online('dev')
    seen, url = [], fresh.api('/devices/dev/fs/flash/f')

    def body():
        for _ in range(24):
            yield bytes(1 << 20)
            seen.append(spooled(fresh.daemon))
    doc = problem(fresh.http.put(url, data=body()), 507, 'NOSPC')
    assert doc['needed'] > 64 * 4096
    assert len(seen) == 24 and max(seen) <= 64 * 4096
    assert fresh.http.put(url, data=iter([content(100_000)])).status_code == 201
    assert fresh.http.get(url).content == content(100_000)


def test_a_copy_is_no_larger_than_its_volume(fresh):
    Liars(fresh, {'vast': ('ReadVast',)})
    fresh.online('vast')
    base = fresh.api('/devices/vast/fs/flash')
    problem(fresh.http.request('COPY', f'{base}/file', headers={'Destination': f'{base}/copy'}, timeout=10), 413, 'FBIG')


@pytest.mark.parametrize('block', [512, 4096])
def test_files_until_the_flash_is_full(fresh, block):
    fresh.agent('dev', blocks=262_144 // block, block=block, prog=16, listen='unix')
    fresh.start_daemon()
    fresh.online('dev')
    base, there = fresh.api('/devices/dev/fs/flash'), {}
    old = content(3000, 99)
    assert fresh.http.put(f'{base}/keep', data=old).status_code == 201
    for i in range(400):
        data = content(random.Random(i).choice((10, 900, 5000, 20_000)), i)
        reply = fresh.http.put(f'{base}/f{i}', data=data)
        if reply.status_code == 507:
            break
        assert reply.status_code == 201, reply.text
        there[f'f{i}'] = data
    doc = problem(reply, 507, 'NOSPC')
    assert doc['needed'] > 0 and doc['free'] < doc['needed'], doc
    problem(fresh.http.put(f'{base}/keep', data=content(60_000)), 507, 'NOSPC')
    assert fresh.http.get(f'{base}/keep').content == old
    for name, data in there.items():
        assert fresh.http.get(f'{base}/{name}').content == data
    for name in list(there)[::2]:
        assert fresh.http.delete(f'{base}/{name}').status_code == 204
        del there[name]
    assert fresh.http.put(f'{base}/keep', data=b'new').status_code == 204
    assert fresh.http.put(f'{base}/more', data=content(20_000, 5)).status_code == 201
    assert fresh.http.post(fresh.api('/devices/dev/volumes/flash'), json={'action': 'check'}).json()['errors'] == 0
    for name, data in there.items():
        assert fresh.http.get(f'{base}/{name}').content == data


@pytest.fixture
def small_disk(fresh):
    """The daemon's data directory on a disk of 6 MiB."""
    store = fresh.dir / 'store'
    store.mkdir(mode=0o700)
    done = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=6m,mode=700', 'fp-test', str(store)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f'a tmpfs cannot be mounted here: {done.stderr.strip()}')
    try:
        yield fresh
        fresh.daemon.stop()
    finally:
        subprocess.run(['umount', '-l', str(store)], check=True)


def test_a_full_disk_loses_nothing(small_disk):
    bed = small_disk
    add_agent(bed, 'dev', 'unix', blocks=2048)
    bed.start_daemon()
    bed.online('dev')
    base = bed.api('/devices/dev/fs/flash')
    assert bed.http.put(f'{base}/f', data=content(100_000)).status_code == 201
    good = bed.backup('dev')
    assert good['state'] == 'done', good
    image = (bed.dir / 'dev.img').read_bytes()
    ballast = bed.dir / 'store' / 'ballast'
    with open(ballast, 'wb', buffering=0) as f:
        try:
            while True:
                f.write(bytes(65536))
        except OSError:
            pass
    with open(ballast, 'r+b') as f:  # 320 KiB are left: less than what comes
        f.truncate(max(0, os.path.getsize(ballast) - 320 * 1024))
    doc = problem(bed.http.put(f'{base}/g', data=content(3_000_000, 2)), 507, 'NOSPC')
    assert 'daemon' in doc['detail'] or 'disk' in doc['detail'], doc
    problem(bed.http.get(f'{base}/g'), 404)
    assert bed.http.get(f'{base}/f').content == content(100_000)
    ballast.unlink()
    assert bed.http.put(f'{base}/g', data=content(2_000_000, 2)).status_code == 201
    wait_for('the upload to leave the disk', lambda: shutil.disk_usage(ballast.parent).free > 2_500_000)
    ballast.write_bytes(bytes(2_000_000))
    job = bed.backup('dev')  # two megabytes that nobody can compress
    assert job['state'] == 'failed' and job['error']['code'] == 'NOSPC', job
    ballast.unlink()
    assert bed.http.get(bed.api(f'/snapshots/{good["result"]["snapshot"]}/image')).content == image
    bed.daemon.stop()
    for name in ('store.db', 'meta.db'):
        db = sqlite3.connect(bed.dir / 'store' / name)
        assert db.execute('pragma integrity_check').fetchall() == [('ok',)]
        db.close()
    bed.restart_daemon()
    bed.online('dev')
    assert bed.http.get(bed.api(f'/snapshots/{good["result"]["snapshot"]}/image')).content == image
    again = bed.backup('dev')
    assert again['state'] == 'done', again


def test_a_read_only_volume_says_why(fresh):
    agent = add_agent(fresh, 'dev', 'unix')
    fresh.start_daemon()
    fresh.online('dev')
    base = fresh.api('/devices/dev/fs/flash')
    data = content(9000)
    assert fresh.http.put(f'{base}/f', data=data).status_code == 201
    assert fresh.http.put(f'{base}/d/', data=b'').status_code == 201
    agent.stop()
    agent.args.append('--read-only')
    (fresh.dir / 'dev.unix').unlink(missing_ok=True)
    before = (fresh.dir / 'dev.img').read_bytes()
    agent.start()

    def read_only():
        volumes = fresh.http.get(fresh.api('/devices/dev')).json()
        return volumes['state'] == 'online' and volumes['volumes'] and not volumes['volumes'][0]['writable'] and volumes['volumes'][0]
    volume = wait_for('the read-only volume', read_only)
    assert 'read-only' in volume['reason'], volume
    path = urllib.parse.urlsplit(base).path
    http = fresh.http
    for reply in (http.put(f'{base}/f', data=b'x'), http.put(f'{base}/g', data=b'x'), http.delete(f'{base}/f'), http.delete(f'{base}/d/'),
                  http.request('MKCOL', f'{base}/e/'), http.request('MOVE', f'{base}/f', headers={'Destination': f'{path}/g'}),
                  http.request('COPY', f'{base}/f', headers={'Destination': f'{path}/g'})):
        doc = problem(reply, 403, 'ROFS')
        assert 'read-only' in doc['detail'], doc
    assert http.get(f'{base}/f').content == data
    assert (fresh.dir / 'dev.img').read_bytes() == before


def test_flash_without_a_filesystem_is_formatted_on_request(fresh):
    where = fresh.dir / 'dev.unix'
    fresh.process('dev', 'flashport-agent', '--id', 'dev', '--storage', f'flash0={fresh.dir}/dev.img,block=4096,count=64,prog=256',
                  '--mount', '/flash=flash0', '--listen', f'unix:{where}')
    fresh.links.append(f'unix:{where}')
    fresh.start_daemon()
    fresh.online('dev')
    volume, = fresh.http.get(fresh.api('/devices/dev')).json()['volumes']
    assert 'format' in volume['reason'] and not volume['writable'], volume
    base = fresh.api('/devices/dev/fs/flash')
    for reply in (fresh.http.get(f'{base}/'), fresh.http.put(f'{base}/f', data=b'x'), fresh.http.delete(f'{base}/f')):
        assert 400 <= reply.status_code < 600 and 'format' in reply.json()['detail'], reply.text
    assert fresh.backup('dev')['state'] == 'done'  # what is no filesystem can still be kept
    url = fresh.api('/devices/dev/volumes/flash')
    assert 'littlefs' in problem(fresh.http.post(url, json={'action': 'format'}), 400)['detail']
    assert fresh.http.post(url, json={'action': 'format', 'fs': 'littlefs'}).status_code == 204
    assert fresh.http.put(f'{base}/f', data=b'x').status_code == 201
    assert fresh.http.get(f'{base}/f').content == b'x'


# --- flash that rotted -------------------------------------------------------

REFERENCES = ['basic_b512_p16_v21', 'deep_b4096', 'append_b512_p16']


def mutated(data, block, seed):
    """One of: cut to whole blocks, a range zeroed or erased, bits flipped."""
    r, data = random.Random(seed), bytearray(data)
    kind = r.randrange(4)
    if kind == 0:
        return bytes(data[:r.randrange(2, len(data) // block) * block])
    if kind < 3:
        at = r.choice((r.randrange(len(data)), r.randrange(4 * block)))
        n = r.choice((1, 16, block, 5 * block))
        data[at:at + n] = (b'\0' if kind == 1 else b'\xff') * len(data[at:at + n])
        return bytes(data)
    for _ in range(r.choice((1, 8, 200))):
        at = r.choice((r.randrange(len(data)), r.randrange(min(len(data), 8 * block))))
        data[at] ^= 1 << r.randrange(8)
    return bytes(data)


def reference(name):
    geometry = json.loads((IMAGES / f'{name}.json').read_text())['geometry']
    return gzip.decompress((IMAGES / f'{name}.img.gz').read_bytes()), geometry['block_size'], geometry['prog_size']


def walk(http, url, base, seen):
    """GET of all there is; each a success, a problem, or a body that breaks off."""
    todo = ['/']
    while todo and seen[0] < 60:
        folder = todo.pop()
        listing = http.get(base + folder, timeout=60)
        if listing.status_code != 200:
            assert problem(listing, listing.status_code)['status'] in (404, 409, 502, 503)
            continue
        for entry in listing.json()['entries']:
            seen[0] += 1
            if entry['type'] == 'dir':
                todo.append(entry['href'][len(urllib.parse.urlsplit(base).path):].rstrip('/') + '/')
                continue
            try:
                got = http.get(url + entry['href'], timeout=60)
            except requests.exceptions.ChunkedEncodingError:
                continue
            assert got.status_code == 200 or problem(got, got.status_code)


@pytest.mark.parametrize('name', REFERENCES)
def test_agents_on_rotten_flash(fresh, name):
    data, block, prog = reference(name)
    agents = []
    for seed in range(10):
        image, where = fresh.dir / f'm{seed}.img', fresh.dir / f'm{seed}.unix'
        image.write_bytes(mutated(data, block, f'{name} {seed}'))
        agents.append(fresh.process(f'm{seed}', 'flashport-agent', '--id', f'm{seed}', '--storage',
                                    f'flash0={image},block={block},prog={prog}', '--mount', '/flash=flash0:littlefs', '--ram',
                                    '--listen', f'unix:{where}'))
        fresh.links.append(f'unix:{where}')
    fresh.start_daemon()
    for seed in range(10):
        before = (fresh.dir / f'm{seed}.img').read_bytes()
        fresh.online(f'm{seed}')
        volume, = fresh.http.get(fresh.api(f'/devices/m{seed}')).json()['volumes']
        base = fresh.api(f'/devices/m{seed}/fs/flash')
        assert volume['writable'] or volume['reason'], volume
        walk(fresh.http, fresh.url, base, [0])
        for reply in (fresh.http.put(f'{base}/new', data=content(5000), timeout=60), fresh.http.delete(f'{base}/new', timeout=60),
                      fresh.http.request('MKCOL', f'{base}/newdir/', timeout=60)):
            assert reply.status_code < 300 or problem(reply, reply.status_code)
        assert fresh.http.get(fresh.api(f'/devices/m{seed}')).json()['state'] == 'online'
        assert agents[seed].child.poll() is None
        assert (fresh.dir / f'm{seed}.img').read_bytes() == before  # --ram


def test_image_tools_on_rotten_images(tmp_path):
    """300 mutations; 0, 3 or 4 and a sentence, one a file where files are gone through, never a signal."""
    sources, bad = [reference(name) for name in REFERENCES], []

    def one(seed):
        data, block, _ = sources[seed % len(sources)]
        image, out = tmp_path / f'{seed}.img', tmp_path / f'{seed}.out'
        image.write_bytes(mutated(data, block, seed))
        verb = (['ls', image, '--json', '--digest'], ['check', image], ['extract', image, out])[seed // len(sources) % 3]
        done = subprocess.run([BIN / 'flashport', 'image', *verb], capture_output=True, timeout=30)
        lines = done.stderr.decode().splitlines()
        most = 1 if verb[0] == 'check' else len(set(lines))
        if done.returncode not in (0, 3, 4) or len(lines) > most or (done.returncode and not (lines or done.stdout)):
            bad.append((seed, verb[0], done.returncode, lines[:20]))
        if verb[0] == 'ls' and done.returncode == 0:
            json.loads(done.stdout)
        image.unlink()
        shutil.rmtree(out, ignore_errors=True)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        list(pool.map(one, range(300)))
    assert not bad, bad


# --- what people type --------------------------------------------------------


@pytest.fixture(scope='module')
def cli():
    """cli(*args, **env) against a daemon with one device; cli.bed is its bed."""
    with Bed() as bed:
        add_agent(bed, 'dev', 'unix', blocks=128)
        bed.start_daemon()
        bed.online('dev')

        def run(*args, code=0, **env):
            env = {**os.environ, 'FLASHPORT_URL': bed.url, 'FLASHPORT_TOKEN': bed.http.headers['Authorization'].split()[1],
                   'FLASHPORT_SOCKET': '', 'LC_ALL': 'C.UTF-8', **env}
            done = subprocess.run([BIN / 'flashport', *args], capture_output=True, timeout=60, env=env, stdin=subprocess.DEVNULL)
            assert done.returncode == code, (args, done.returncode, done.stdout[-500:], done.stderr[-2000:])
            assert code == 0 or done.stderr.startswith(b'flashport: '), done.stderr
            return done
        run.bed = bed
        yield run


@pytest.mark.parametrize('args, code, words', [
    (['ls', 'none:/flash'], 4, 'none'), (['devices', 'none'], 4, 'none'), (['cat', 'dev:/flash/none'], 4, 'none'),
    (['cat', 'dev:/nowhere/x'], 4, 'nowhere'), (['rm', 'dev:/flash/none'], 4, 'none'), (['mv', 'dev:/flash/a', 'dev:/flash/b'], 4, ''),
    (['cp', '/nonexistent/x', 'dev:/flash/'], 4, '/nonexistent/x'), (['cp', 'dev:/flash/none', '.'], 4, 'none'),
    (['cp', '/tmp', 'dev:/flash/'], 2, '-r'), (['cp', 'a', 'b'], 2, 'DEVICE'), (['cp', 'a'], 2, ''), (['ls', '/flash'], 2, 'DEVICE'),
    (['cat', 'dev:/flash/../x'], 1, ''), (['cat', 'dev:/flash/' + 'n' * 300], 1, '255'), (['frob'], 2, 'frob'),
    (['ls', '--frob', 'dev:/'], 2, ''), (['backup', 'none'], 4, 'none'), (['backup', 'dev', 'none'], 4, 'none'),
    (['restore', '-y', 'nosuch', 'dev'], 4, ''), (['snapshots', 'cat', 'nosuch', '/f'], 4, ''), (['df', 'none'], 4, 'none'),
    (['ls', 'dev:/flash/\x1b[31mred'], 4, '\\x1b')], ids=lambda v: ' '.join(v)[:30] if isinstance(v, list) else None)
def test_wrong_things_are_said_in_a_sentence(cli, args, code, words):
    done = cli(*args, code=code) if args[0] != 'ls' or '--frob' not in args else subprocess.run(
        [BIN / 'flashport', *args], capture_output=True, timeout=60)
    assert done.returncode == code
    err = done.stderr.decode()
    assert words in err and '\x1b' not in err, err


def test_a_wrong_token_and_no_daemon(cli):
    assert b'token' in cli('ls', 'dev:/flash', code=8, FLASHPORT_TOKEN='fp_wrong').stderr
    assert b'http://127.0.0.1:1' in cli('devices', '--url', 'http://127.0.0.1:1', code=9).stderr
    assert b'/nonexistent.sock' in cli('devices', '--socket', '/nonexistent.sock', code=9).stderr


def test_conflicts_and_no_space(cli, tmp_path):
    (tmp_path / 'big').write_bytes(content(2_000_000))
    assert b'free' in cli('cp', tmp_path / 'big', 'dev:/flash/big', code=7).stderr.lower()
    cli('mkdir', 'dev:/flash/full')
    (tmp_path / 'f').write_bytes(b'1')
    cli('cp', tmp_path / 'f', 'dev:/flash/full/f')
    cli('rm', 'dev:/flash/full', code=6)
    cli('mkdir', 'dev:/flash/full', code=6)
    cli('mv', '-n', 'dev:/flash/full/f', 'dev:/flash/full', code=6)
    cli('rm', '-r', 'dev:/flash/full')


def test_every_json_parses(cli):
    for args in (['devices'], ['devices', 'dev'], ['ls', 'dev:/flash'], ['df'], ['snapshots'], ['backup', 'dev'], ['mkdir', 'dev:/flash/j'],
                 ['rm', 'dev:/flash/j']):
        out = cli(*args, '--json').stdout
        assert not out or json.loads(out) is not None, args
    assert json.loads(cli('devices', '--json').stdout)


NAMES = [b'plain', b'with space', b' lead', b'-r', b'%41', b'a:b', b'\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80', b'x\ny', b'\x1b[31mred', b'tab\t', b'\xff\xfe',
         b'"\\', b'?#&', b'n' * 255, b'...']


def test_names_round_trip_with_cp(cli, tmp_path):
    source = os.fsencode(tmp_path / 'in')
    os.makedirs(source + b'/sub \xff/\xc3\xa4')
    files = {name: hashlib.sha256(name).digest() * (1 + len(name)) for name in NAMES}
    for name, data in files.items():
        for folder in (b'', b'/sub \xff/\xc3\xa4'):
            pathlib.Path(os.fsdecode(source + folder + b'/' + name)).write_bytes(data)
    cli('cp', '-r', source, 'dev:/flash/names')
    cli('cp', '-r', 'dev:/flash/names', tmp_path / 'out')

    def tree(root):
        return {os.path.join(d, f)[len(root):]: open(os.path.join(d, f), 'rb').read() for d, _, fs in os.walk(root) for f in fs}
    assert tree(os.fsencode(tmp_path / 'out')) == tree(source)
    listing = json.loads(cli('ls', 'dev:/flash/names', '--json').stdout)
    assert listing
    shown = cli('ls', 'dev:/flash/names').stdout
    assert b'\x1b' not in shown and b'\\x1b[31mred' in shown and b'\xff' not in shown
    assert '\u00e4'.encode() in cli('ls', b'dev:/flash/names/sub \xff').stdout
    cli('rm', '-r', 'dev:/flash/names')
    cli('ls', 'dev:/flash/names', code=4)


def test_a_device_that_is_off(fresh, cli):
    agent = add_agent(fresh, 'off', 'unix')
    fresh.start_daemon()
    fresh.online('off')
    agent.kill()
    wait_for('the loss', lambda: fresh.http.get(fresh.api('/devices/off')).json()['state'] != 'online')
    done = cli('ls', 'off:/flash', '--url', fresh.url, code=5, FLASHPORT_TOKEN=fresh.http.headers['Authorization'].split()[1])
    assert b'off' in done.stderr
