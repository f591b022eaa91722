# SPDX-License-Identifier: MIT
"""A device with all left out that a firmware can leave out but snapshots, memory
for one frame each way and the least of each limit, and one without snapshots:
what they have works as everywhere, and what they have not is refused in words
that a person understands."""
import os
import random
import subprocess

import pytest

from bed import wait_for

BLOCK, BLOCKS = 4096, 64


def content(size, seed=1):
    return random.Random(seed).randbytes(size)


def start(bed, *options, program='flashport-agent-small'):
    where = bed.dir / 'dev.unix'
    bed.process('dev', program, '--id', 'dev', '--storage', f'flash0={bed.dir / "dev.img"},block={BLOCK},count={BLOCKS},prog=256',
                '--mount', '/flash=flash0:littlefs', '--listen', f'unix:{where}', '--frame', '640', '--buffers', '1', '--lz4', 'off', *options)
    wait_for(where, lambda: os.path.lexists(where))
    bed.links.append(f'unix:{where}')
    bed.start_daemon()
    bed.online('dev')
    return bed


@pytest.fixture(name='small')
def small_of(fresh):
    return start(fresh, '--format', 'littlefs')


@pytest.fixture(name='least')
def least_of(fresh):
    return start(fresh, '--format', 'littlefs', program='flashport-agent-least')


def url(bed, name=''):
    return bed.api(f'/devices/dev/fs/flash/{name}')


def refused(reply, status, code):
    doc = reply.json()
    assert (reply.status_code, doc['code']) == (status, code), reply.text
    assert doc['detail'].endswith('.') and ' ' in doc['detail'], doc
    return doc


def volume(bed):
    return bed.device('dev')['volumes'][0]


def names(bed):
    return sorted(entry['name'] for entry in bed.http.get(url(bed)).json()['entries'])


def test_files(small):
    http = small.http
    for i in range(12):
        assert http.put(url(small, f'file-{i}'), data=content(100 + 3000 * i, i)).status_code == 201
    assert names(small) == sorted(f'file-{i}' for i in range(12))
    for i in range(12):
        assert http.get(url(small, f'file-{i}')).content == content(100 + 3000 * i, i)
    assert http.put(url(small, 'file-3'), data=b'another').status_code == 204
    assert http.get(url(small, 'file-3')).content == b'another'
    moved = http.request('MOVE', url(small, 'file-3'), headers={'Destination': url(small, 'moved')})
    assert moved.status_code in (201, 204), moved.text
    assert http.request('MKCOL', url(small, 'folder/')).status_code == 201
    assert http.delete(url(small, 'file-4')).status_code == 204
    assert names(small) == sorted(['folder', 'moved', *(f'file-{i}' for i in range(12) if i not in (3, 4))])


def test_snapshot_and_restore(small):
    http, image = small.http, small.dir / 'dev.img'
    assert http.put(url(small, 'kept'), data=content(50000)).status_code == 201
    before = image.read_bytes()
    taken = small.job(http.post(small.api('/snapshots'), json={'device': 'dev', 'storage': 'flash0'}))
    assert taken['state'] == 'done', taken
    assert http.put(url(small, 'kept'), data=b'gone').status_code == 204
    back = small.job(http.post(small.api(f'/snapshots/{taken["result"]["snapshot"]}/restore'), json={'device': 'dev', 'storage': 'flash0'}))
    assert back['state'] == 'done', back
    assert image.read_bytes() == before
    assert http.get(url(small, 'kept')).content == content(50000)


def test_what_it_has_not_is_refused_in_words(small):
    http = small.http
    assert http.put(url(small, 'a'), data=b'a').status_code == 201
    refused(http.get(url(small, 'none')), 404, 'NOENT')
    doc = refused(http.put(url(small, 'x' * 60 + '/' + 'y' * 60 + '/' + 'z' * 60), data=b'a'), 422, 'NAMETOOLONG')
    assert doc['limit'] == 160
    refused(http.get(small.api('/devices/dev/stats')), 501, 'NOTSUP')
    refused(http.post(small.api('/devices/dev/volumes/flash'), json={'action': 'check'}), 501, 'NOTSUP')
    refused(http.post(small.api('/devices/dev/reboot')), 501, 'NOTSUP')
    refused(http.put(url(small, 'a'), params={'in_place': 1}, data=b'b'), 501, 'NOTSUP')
    assert http.get(url(small, 'a')).content == b'a'


def test_nothing_is_formatted_unasked(fresh):
    """without a probe: one byte that is not erased is a filesystem that somebody may want back"""
    (fresh.dir / 'dev.img').write_bytes(b'\xff' * (BLOCK * BLOCKS - 1) + b'\0')
    start(fresh)
    seen = volume(fresh)
    assert not seen['mounted'] and ' ' in seen['reason'], seen
    assert (fresh.dir / 'dev.img').read_bytes() == b'\xff' * (BLOCK * BLOCKS - 1) + b'\0'
    refused(fresh.http.post(fresh.api('/devices/dev/volumes/flash'), json={'action': 'format', 'fs': 'littlefs'}), 501, 'NOTSUP')
    assert (fresh.dir / 'dev.img').read_bytes() == b'\xff' * (BLOCK * BLOCKS - 1) + b'\0'


def test_volumes_are_as_the_firmware_has_them(small):
    http, volumes = small.http, small.api('/devices/dev/volumes/flash')
    assert http.put(url(small, 'a'), data=b'a').status_code == 201
    for action in ({'action': 'unmount'}, {'action': 'mount'}, {'action': 'format', 'fs': 'littlefs'}):
        refused(http.post(volumes, json=action), 501, 'NOTSUP')
    assert volume(small)['mounted'] and http.get(url(small, 'a')).content == b'a'


def test_files_without_snapshots(least):
    test_files(least)


def test_a_device_without_snapshots_says_so(least):
    http = least.http
    assert http.put(url(least, 'a'), data=b'a').status_code == 201
    doc = refused(http.post(least.api('/snapshots'), json={'device': 'dev', 'storage': 'flash0'}), 501, 'NOTSUP')
    assert doc['detail'] == 'The firmware of dev was built without snapshots.', doc
    doc = refused(http.put(least.api('/devices/dev/storages/flash0/image'), data=bytes(BLOCK * BLOCKS)), 501, 'NOTSUP')
    assert doc['detail'] == 'The firmware of dev was built without restore.', doc
    assert http.get(url(least, 'a')).content == b'a'


def test_what_a_firmware_was_built_without_is_known_before_it_is_asked(small):
    left_out = ['volumes', 'check', 'put-modes', 'truncate', 'reboot', 'attrs', 'stats']
    assert small.device('dev')['left_out'] == left_out
    told = subprocess.run([os.path.join(os.environ['FP_BIN'], 'flashport'), 'devices', 'dev'], capture_output=True, text=True, check=True,
                          env={**os.environ, 'FLASHPORT_SOCKET': str(small.dir / 'd.sock')}).stdout
    assert f'without   {", ".join(left_out)}\n' in told, told


def test_one_with_all_parts_lacks_none(fresh):
    fresh.agent('dev', listen='unix')
    fresh.start_daemon()
    fresh.online('dev')
    assert fresh.device('dev')['left_out'] == []


def test_a_device_without_snapshots_is_known_to_be(least):
    assert least.device('dev')['left_out'][:2] == ['snapshots', 'restore']


def test_a_path_that_is_too_long_says_how_long_it_may_be(small):
    doc = refused(small.http.put(url(small, '/'.join(['d' * 60] * 3)), data=b'x'), 422, 'NAMETOOLONG')
    assert doc['detail'] == f'The path is longer than this device takes. {doc["limit"]} bytes are the most.', doc
    assert 120 < doc['limit'] < len('/flash/') + 3 * 61, doc
    doc = refused(small.http.put(url(small, 'n' * 65), data=b'x'), 422, 'NAMETOOLONG')
    assert doc['limit'] == 64 and 'it has 65 bytes, and 64 are the most' in doc['detail'], doc


def test_flash_that_stalls_is_refused(tmp_path):
    program = os.path.join(os.environ['FP_BIN'], 'flashport-agent-small')
    with subprocess.Popen([program, '--id', 'dev', '--storage', f'flash0={tmp_path / "dev.img"},block={BLOCK},count={BLOCKS}',
                           '--timing', 'internal', '--listen', f'unix:{tmp_path / "dev.unix"}', '--frame', '640', '--buffers', '1', '--lz4', 'off'],
                          stderr=subprocess.DEVNULL) as device:
        assert device.wait(timeout=60) != 0
