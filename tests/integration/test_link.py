# SPDX-License-Identifier: MIT
"""The link suite: what one does with a device, over each kind of link, on good
and on bad lines, with two devices that share no code.

    agent    flashport-agent, whose flash is a file with littlefs on it
    python   tests/device, written from proto/PROTOCOL.md alone; its flash is a
             file, too, with a tar archive on it

What the flash holds is asked of those who wrote neither: tests/tools'
littlefs_check.py and Python's tarfile.
"""
import concurrent.futures
import hashlib
import json
import random
import tarfile

import pytest
import requests

import held
from bed import Bed, wait_for
from conftest import add_agent

BLOCKS = 256
MAKERS = {'agent': Bed.agent, 'python': Bed.python_device}
BAD_LINES = {
    'flips': ['--flip', '1e-4'], 'losses': ['--drop', '1e-4'], 'doubles': ['--dup', '1e-4'], 'inserts': ['--insert', '1e-4'],
    'all': ['--flip', '5e-5', '--drop', '5e-5', '--dup', '5e-5', '--insert', '5e-5', '--burst', '1e-5', '--noise', '1e-5'],
}


def content(size, seed=1):
    return random.Random(seed).randbytes(size)


def files(bed):
    return bed.api('/devices/dev/fs/flash')


def on_flash(bed, kind):
    """{path: SHA-256} of what the device's flash holds, by others than the device."""
    image = bed.dir / 'dev.img'
    if kind == 'agent':
        found, errors = held.checker('littlefs', image, '--block-size', 4096, '--prog-size', 256)
        assert not errors
        return found
    with tarfile.open(image, errors='surrogateescape') as tar:
        return {f'/{m.name}': hashlib.sha256(tar.extractfile(m).read()).hexdigest() for m in tar if m.isfile()}


@pytest.fixture(params=MAKERS)
def kind(request):
    return request.param


@pytest.fixture(scope='module', params=[(kind, listen) for kind in MAKERS for listen in ('unix', 'pty', 'tcp')], ids='-'.join)
def bed(request):
    with Bed() as made:
        made.kind, listen = request.param
        add_agent(made, 'dev', listen, MAKERS[made.kind], blocks=BLOCKS)
        made.start_daemon()
        made.online('dev')
        yield made


# --- a good line -------------------------------------------------------------


@pytest.mark.parametrize('data', [b'', b'x', bytes(100_000), b'\xff' * 4097, content(4095), content(300_000), b'\0\xff' * 254 + content(254)],
                         ids=lambda data: f'{len(data)}-{data[:1].hex()}')
def test_what_goes_up_comes_down(bed, folder, data):
    assert bed.http.put(f'{folder}/f', data=data).status_code == 201
    got = bed.http.get(f'{folder}/f')
    assert got.status_code == 200 and got.content == data
    assert got.headers['ETag'].strip('"') == hashlib.sha256(data).hexdigest()
    name = folder.rpartition('/')[2]
    assert on_flash(bed, bed.kind)[f'/{name}/f'] == hashlib.sha256(data).hexdigest()


def test_ranges(bed, folder):
    data = content(30_000)
    assert bed.http.put(f'{folder}/f', data=data).status_code == 201
    for first, last in ((0, 0), (0, 29_999), (1, 4096), (4095, 4096), (29_999, 29_999), (12_345, 23_456)):
        got = bed.http.get(f'{folder}/f', headers={'Range': f'bytes={first}-{last}'})
        assert got.status_code == 206 and got.content == data[first:last + 1]
    assert bed.http.get(f'{folder}/f', headers={'Range': 'bytes=-10'}).content == data[-10:]
    assert bed.http.get(f'{folder}/f', headers={'Range': 'bytes=30000-'}).status_code == 416


def test_lists(bed, folder):
    names = {f'{"n" * (i * 5)}{i:02}' for i in range(40)}
    for name in names:
        assert bed.http.put(f'{folder}/{name}', data=name.encode()).status_code == 201
    assert bed.http.request('MKCOL', f'{folder}/d/').status_code == 201
    listed = {e['name']: e for e in bed.http.get(f'{folder}/').json()['entries']}
    assert set(listed) == names | {'d'} and listed['d']['type'] == 'dir'
    assert all(listed[name]['size'] == len(name) for name in names)
    some = bed.http.get(f'{folder}/?limit=7').json()
    assert len(some['entries']) == 7 and some['next']
    assert bed.http.get(f'{folder}/none/').status_code == 404
    assert bed.http.get(f'{folder}/{names.pop()}/x').status_code in (404, 409)


def test_changes(bed, folder):
    def move(old, new, **headers):
        return bed.http.request('MOVE', f'{folder}/{old}', headers={'Destination': f'{folder}/{new}', **headers})
    for name in 'ab':
        assert bed.http.put(f'{folder}/{name}', data=name).status_code == 201
    assert bed.http.put(f'{folder}/a', data='new').status_code == 204
    assert move('a', 'b', Overwrite='F').status_code == 412
    assert move('a', 'b').status_code == 204
    assert bed.http.get(f'{folder}/b').content == b'new' and bed.http.get(f'{folder}/a').status_code == 404
    assert bed.http.request('MKCOL', f'{folder}/d/').status_code == 201
    assert bed.http.put(f'{folder}/d/f', data='deep').status_code == 201
    assert bed.http.delete(f'{folder}/d/').status_code == 409
    assert move('d/', 'e/').status_code == 201
    assert bed.http.get(f'{folder}/e/f').content == b'deep'
    assert bed.http.delete(f'{folder}/e/f').status_code == 204 and bed.http.delete(f'{folder}/e/').status_code == 204
    assert [e['name'] for e in bed.http.get(f'{folder}/').json()['entries']] == ['b']
    assert bed.http.delete(f'{folder}/none').status_code == 404


def test_preconditions(bed, folder):
    old = f'"{hashlib.sha256(b"old").hexdigest()}"'
    assert bed.http.put(f'{folder}/f', data='old', headers={'If-None-Match': '*'}).status_code == 201
    assert bed.http.put(f'{folder}/f', data='x', headers={'If-None-Match': '*'}).status_code == 412
    assert bed.http.put(f'{folder}/f', data='new', headers={'If-Match': old}).status_code == 204
    assert bed.http.put(f'{folder}/f', data='x', headers={'If-Match': old}).status_code == 412
    assert bed.http.delete(f'{folder}/f', headers={'If-Match': old}).status_code == 412
    assert bed.http.get(f'{folder}/f').content == b'new'


def test_many_at_once(bed, folder):
    """Uploads and downloads of some clients, more than the device works on at a time."""
    def client(i):
        with requests.Session() as http:
            http.headers.update(bed.http.headers)
            data = content(20_000, i)
            assert http.put(f'{folder}/{i}', data=data).status_code == 201
            assert http.get(f'{folder}/{i}').content == data
            assert http.get(f'{folder}/?limit=3').status_code == 200
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(client, range(16)))


def test_no_room(bed, folder):
    assert bed.http.put(f'{folder}/f', data='old').status_code == 201
    reply = bed.http.put(f'{folder}/f', data=content(BLOCKS * 4096))
    assert reply.status_code == 507 and reply.json()['needed'] > reply.json()['free']
    assert bed.http.get(f'{folder}/f').content == b'old'


# The last ones of a bed: they take away what others made.


def test_images(bed, folder):
    assert bed.http.put(f'{folder}/f', data=content(100_000)).status_code == 201
    first = bed.backup('dev')
    assert first['state'] == 'done' and first['result']['complete'], first
    image = bed.http.get(bed.api(f'/snapshots/{first["result"]["snapshot"]}/image')).content
    assert image == (bed.dir / 'dev.img').read_bytes()
    assert bed.backup('dev')['result']['fetched'] == 0
    assert bed.http.put(f'{folder}/g', data=b'g' * 5000).status_code == 201
    assert bed.http.delete(f'{folder}/f').status_code == 204
    assert 0 < bed.backup('dev')['result']['fetched'] < 40
    restored = bed.job(bed.http.post(bed.api(f'/snapshots/{first["result"]["snapshot"]}/restore'), json={'device': 'dev', 'storage': 'flash0'}))
    assert restored['state'] == 'done', restored
    assert (bed.dir / 'dev.img').read_bytes() == image
    assert bed.http.get(f'{folder}/f').content == content(100_000) and bed.http.get(f'{folder}/g').status_code == 404


def test_format(bed):
    volume = bed.api('/devices/dev/volumes/flash')
    assert bed.http.put(f'{files(bed)}/f', data='f').status_code == 201
    assert bed.http.post(volume, json={'action': 'check'}).json()['errors'] == 0
    for action in ('unmount', 'mount'):
        assert bed.http.post(volume, json={'action': action}).status_code == 204
    assert bed.http.get(f'{files(bed)}/f').content == b'f'
    reply = bed.http.post(volume, json={'action': 'format', 'fs': {'agent': 'littlefs', 'python': 'tar'}[bed.kind]})
    assert reply.status_code == 204, reply.text
    assert bed.http.get(f'{files(bed)}/').json()['entries'] == [] and on_flash(bed, bed.kind) == {}


# --- bad lines ---------------------------------------------------------------


def line_of(bed, kind, baud, *options, listen='pty'):
    device, stats = MAKERS[kind](bed, 'dev', listen=listen, blocks=BLOCKS), bed.dir / 'line.json'
    line = bed.line('dev', baud, '--stats', stats, *options, listen=listen)
    bed.start_daemon()
    bed.online('dev')
    return device, line, stats


@pytest.mark.parametrize('faults', BAD_LINES)
def test_a_bad_line_changes_nothing(fresh, kind, faults):
    _, line, stats = line_of(fresh, kind, 3_000_000, '--seed', 7, *BAD_LINES[faults])
    for i, size in enumerate((200_000, 1, 70_000)):
        data = content(size, i)
        assert fresh.http.put(f'{files(fresh)}/{i}', data=data).status_code == 201
        assert fresh.http.get(f'{files(fresh)}/{i}').content == data
    job = fresh.backup('dev')
    assert job['state'] == 'done' and job['result']['complete'], job
    image = fresh.http.get(fresh.api(f'/snapshots/{job["result"]["snapshot"]}/image')).content
    assert image == (fresh.dir / 'dev.img').read_bytes()
    line.stop()
    counts = json.loads(stats.read_text())
    assert all(any(counts[way][fault] for fault in ('flip', 'drop', 'dup', 'insert', 'bursts', 'noise')) for way in ('a2b', 'b2a')), counts


def test_a_reset_leaves_the_old_file(fresh, kind):
    down, up = fresh.dir / 'down.log', fresh.dir / 'up.log'
    device, _, _ = line_of(fresh, kind, 921_600, '--keep', '--log', f'{down},{up}', listen='unix')
    url, old, new = f'{files(fresh)}/f', content(5000, 1), content(200_000, 2)
    assert fresh.http.put(url, data=old).status_code == 201
    epoch = fresh.http.get(fresh.api('/devices/dev')).json()['epoch']
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        upload = pool.submit(fresh.http.put, url, data=new, timeout=120)
        wait_for('half of the upload', lambda: up.stat().st_size > len(old) + len(new) // 2)
        device.kill()
        assert on_flash(fresh, kind) == {'/f': hashlib.sha256(old).hexdigest()}
        device.restart()
        reply = upload.result()
    assert reply.status_code >= 500 or reply.status_code == 204, reply.text
    wait_for('a new start', lambda: fresh.http.get(fresh.api('/devices/dev')).json()['epoch'] != epoch)
    fresh.online('dev')
    assert fresh.http.get(url).content == (new if reply.status_code == 204 else old)
    assert fresh.http.put(url, data=new).status_code == 204
    assert fresh.http.get(url).content == new


@pytest.mark.parametrize('way', ['up', 'down'])
def test_a_lost_line_is_gone_on_from(fresh, kind, way):
    """The line is cut after two thirds of the bytes: to begin again would cost these once more."""
    _, line, stats = line_of(fresh, kind, 921_600, '--cut', '0,260000' if way == 'up' else '260000,0', '--cut-for', 300)
    data, url = content(400_000), f'{files(fresh)}/f'
    assert fresh.http.put(url, data=data).status_code == 201
    assert fresh.http.get(url).content == data
    line.stop()
    counts = json.loads(stats.read_text())
    # Of a download two slices of half a second may have been under way: 92,160 bytes.
    assert counts['cuts'] == 1 and counts['b2a' if way == 'up' else 'a2b']['in'] < 1.4 * len(data), counts
