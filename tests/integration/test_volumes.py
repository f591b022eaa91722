# SPDX-License-Identifier: MIT
"""Volumes: several at once, on regions and on a card that comes and goes;
mounting, unmounting and formatting by request; limits and what is promised.

One agent `board`: a flash of 1 MiB whose second half is the region `fs`, and a
slot with a card, a file that the tests take away and put back.
"""
import subprocess
import os

import pytest

from bed import BIN, has_driver, wait_for

KIB = 1024


def problem(reply, status, type_):
    assert reply.status_code == status, reply.text
    doc = reply.json()
    assert doc['type'] == f'/errors/{type_}', doc
    return doc


class Board:
    """The agent, its daemon, and its card."""

    def __init__(self, bed, *options, card=True):
        self.bed, self.card, self.drawer = bed, bed.dir / 'card.img', bed.dir / 'drawer.img'
        socket = bed.dir / 'board.unix'
        if card:
            self.new_card(self.card)
        self.agent = bed.process(
            'board', 'flashport-agent', '--id', 'board',
            '--storage', f'flash0={bed.dir / "flash.img"},block=4096,count=256,prog=256',
            '--region', 'app=flash0@0+512K', '--region', 'fs=flash0@512K+512K',
            '--storage', f'sd0={self.card},kind=card,block=4096,prog=512,read=256,removable',
            '--mount', '/flash=fs:littlefs', '--mount', '/sd=sd0:littlefs',
            *options, '--listen', f'unix:{socket}')
        wait_for(socket, lambda: os.path.lexists(socket))
        bed.links.append(f'unix:{socket}')
        bed.start_daemon()
        bed.online('board')

    @staticmethod
    def new_card(path, size=512 * KIB):
        path.write_bytes(b'\xff' * size)
        os.utime(path, (0, 0))  # settled long ago

    def url(self, path):
        return self.bed.api(f'/devices/board{path}')

    def about(self):
        return self.bed.http.get(self.url('')).json()

    def volume(self, path):
        return next(v for v in self.about()['volumes'] if v['path'] == path)

    def storage(self, name):
        return next(s for s in self.about()['storages'] if s['name'] == name)

    def act(self, volume, action, **more):
        return self.bed.http.post(self.url(f'/volumes{volume}'), json={'action': action, **more})

    def format(self, volume, fs='littlefs', **more):
        reply = self.act(volume, 'format', fs=fs, **more)
        assert reply.status_code == 204, reply.text

    def put(self, path, data):
        return self.bed.http.put(self.url(f'/fs{path}'), data=data)

    def get(self, path):
        return self.bed.http.get(self.url(f'/fs{path}'))

    def pull(self):
        self.card.rename(self.drawer)
        wait_for('the card out', lambda: not self.storage('sd0')['medium'])
        wait_for('its volume gone', lambda: not self.volume('/sd')['mounted'])

    def insert(self, path=None):
        (path or self.drawer).rename(self.card)
        wait_for('the card in', lambda: self.storage('sd0')['medium'])


@pytest.fixture
def board(fresh):
    made = Board(fresh)
    made.format('/flash')
    made.format('/sd')
    return made


def test_several_volumes_at_once(board):
    assert board.put('/flash/a.txt', b'on flash').status_code == 201
    assert board.put('/sd/a.txt', b'on the card').status_code == 201
    assert board.get('/flash/a.txt').content == b'on flash'
    assert board.get('/sd/a.txt').content == b'on the card'
    flash, card = board.volume('/flash'), board.volume('/sd')
    assert (flash['storage'], flash['region'], flash['fs']) == ('flash0', 'fs', 'littlefs')
    assert (card['storage'], card['fs']) == ('sd0', 'littlefs') and 'region' not in card
    for volume in flash, card:
        assert volume['promise'] == 'old-or-new'
        assert {'dirs', 'stage', 'atomic-replace'} <= set(volume['caps'])
        assert volume['limits'] == {'name_max': 255, 'file_max': 2 ** 31 - 1, 'files_max': None}
    assert flash['size'] == 512 * KIB
    assert [(r['name'], r['off'], r['size'], r['flags']) for r in board.storage('flash0')['regions']] == [
        ('app', 0, 512 * KIB, []), ('fs', 512 * KIB, 512 * KIB, [])]
    assert set(board.storage('sd0')['flags']) >= {'overwrite', 'atomic-prog', 'removable'}


def test_the_root_holds_only_mount_points(board):
    listing = board.get('/').json()
    assert [e['name'] for e in listing['entries']] == ['flash', 'sd']
    board.put('/flash/a', b'a')
    for reply in (board.bed.http.request('MKCOL', board.url('/fs/new/')), board.put('/new.txt', b'x'),
                  board.bed.http.request('MOVE', board.url('/fs/flash/a'), headers={'Destination': board.url('/fs/a')})):
        assert 'holds only volumes' in problem(reply, 403, 'read-only')['detail']
    assert board.bed.http.delete(board.url('/fs/flash/?recursive=1')).status_code in (403, 409)
    assert board.get('/flash/a').content == b'a'
    problem(board.put('/nowhere/new.txt', b'x'), 404, 'not-found')
    assert [e['name'] for e in board.get('/').json()['entries']] == ['flash', 'sd']


def test_a_card_comes_and_goes(board):
    board.put('/sd/kept.txt', b'kept')
    assert board.about()['default_volume'] == '/sd'
    gen = board.storage('sd0')['gen']
    board.pull()
    about = board.about()
    assert about['default_volume'] == '/flash'
    assert board.volume('/sd')['reason'] == 'there is no medium in sd0'
    assert not board.storage('sd0')['medium']
    doc = problem(board.get('/sd/kept.txt'), 503, 'no-medium')
    assert doc['title'] == 'No medium' and 'sd0' in doc['detail']
    problem(board.put('/sd/new.txt', b'x'), 503, 'no-medium')
    problem(board.act('/sd', 'mount'), 503, 'no-medium')
    assert board.get('/flash/').status_code == 200
    board.insert()
    wait_for('the volume', lambda: board.volume('/sd')['mounted'])
    assert board.about()['default_volume'] == '/sd'
    assert board.get('/sd/kept.txt').content == b'kept'
    assert board.storage('sd0')['gen'] != gen


def test_another_card_is_another_volume(board):
    board.put('/sd/first.txt', b'1')
    board.pull()
    other = board.bed.dir / 'other.img'
    board.new_card(other, 256 * KIB)
    board.insert(other)
    assert board.storage('sd0')['size'] == 256 * KIB
    assert not board.volume('/sd')['mounted']
    assert board.volume('/sd')['reason'] == 'no filesystem on sd0, it is erased: format it to use it'
    assert set(board.card.read_bytes()) == {0xff}  # nobody wrote to it unasked
    board.format('/sd')
    assert board.get('/sd/').json()['entries'] == []
    board.card.rename(other)
    wait_for('the card out', lambda: not board.storage('sd0')['medium'])
    board.insert()
    wait_for('the first card', lambda: board.get('/sd/first.txt').content == b'1')


def test_a_slot_may_be_empty_at_the_start(fresh):
    board = Board(fresh, card=False)
    assert not board.storage('sd0')['medium']
    assert board.volume('/sd')['reason'] == 'there is no medium in sd0'
    board.new_card(board.drawer)
    board.insert()
    board.format('/sd')
    assert board.put('/sd/a', b'a').status_code == 201


def test_an_upload_and_a_backup_end_with_the_card(board):
    board.put('/sd/old.bin', b'old')

    def body():
        yield b'x' * 30000
        board.pull()
        yield b'y' * 30000
    reply = board.put('/sd/old.bin', body())
    assert reply.status_code >= 400, reply.text
    job = board.bed.http.post(board.bed.api('/snapshots'), json={'device': 'board', 'storage': 'sd0'})
    assert job.status_code == 503 or board.bed.job(job)['state'] == 'failed', job.text
    board.insert()
    wait_for('the volume', lambda: board.volume('/sd')['mounted'])
    assert board.get('/sd/old.bin').content == b'old'


def test_erased_mounts_nothing_and_only_a_request_formats(fresh):
    board = Board(fresh)
    flash = fresh.dir / 'flash.img'
    for path, place in ('/flash', 'fs'), ('/sd', 'sd0'):
        volume = board.volume(path)
        assert not volume['mounted'] and volume['fs'] is None
        assert volume['reason'] == f'no filesystem on {place}, it is erased: format it to use it'
        problem(board.act(path, 'mount'), 404, 'not-found')
    assert set(flash.read_bytes()) == {0xff}
    problem(board.act('/flash', 'format'), 400, 'invalid')  # of what kind is not guessed
    problem(board.act('/flash', 'format', fs='ext4'), 501, 'not-supported')
    assert set(flash.read_bytes()) == {0xff}
    board.format('/flash')
    assert board.put('/flash/a', b'a').status_code == 201
    assert set(flash.read_bytes()[:512 * KIB]) == {0xff}  # only its region


def test_what_is_damaged_is_not_formatted(board):
    board.act('/sd', 'unmount')
    board.pull()
    data = bytearray(board.drawer.read_bytes())
    data[0:8192] = os.urandom(8192)  # the pair that says what it is
    board.drawer.write_bytes(data)
    os.utime(board.drawer, (0, 0))
    board.insert()
    assert not board.volume('/sd')['mounted']
    assert 'format it' in board.volume('/sd')['reason']
    assert board.card.read_bytes() == bytes(data)


def test_unmount_and_mount_with_options(board):
    board.put('/flash/a.txt', b'a')
    problem(board.act('/flash', 'mount', options={'ro': True}), 409, 'busy')
    assert board.act('/flash', 'mount').status_code == 204  # as wanted already
    assert board.act('/flash', 'unmount').status_code == 204
    assert board.volume('/flash')['reason'] == 'unmounted on request'
    problem(board.get('/flash/a.txt'), 404, 'not-found')
    assert board.act('/flash', 'mount', options={'ro': True}).status_code == 204
    assert not board.volume('/flash')['writable']
    doc = problem(board.put('/flash/b.txt', b'b'), 403, 'read-only')
    assert doc['detail'] == 'Mounted read-only.'
    assert board.get('/flash/a.txt').content == b'a'
    board.act('/flash', 'unmount')
    assert board.act('/flash', 'mount', fs='auto').status_code == 204
    assert board.put('/flash/b.txt', b'b').status_code == 201
    board.act('/flash', 'unmount')
    why = board.act('/flash', 'mount', fs='fat')
    assert why.status_code >= 400, why.text
    told = wait_for('another reason', lambda: board.volume('/flash')['reason'] != 'unmounted on request' and board.volume('/flash')['reason'])
    assert 'littlefs' in told, told
    problem(board.act('/flash', 'mount', fs='ext4'), 501, 'not-supported')
    problem(board.act('/flash', 'mount', fs='x' * 17), 400, 'invalid')
    problem(board.act('/flash', 'mount', options='k=' + 'v' * 63), 400, 'invalid')
    problem(board.act('/flash', 'mount', options={'a,b': 1}), 400, 'invalid')
    problem(board.act('/flash', 'mount', options={'a': [1]}), 400, 'invalid')
    problem(board.act('/nowhere', 'mount'), 404, 'not-found')
    assert board.act('/flash', 'mount', options='ro=0').status_code == 204
    assert board.volume('/flash')['writable']


def test_errors_name_the_limit(board):
    """A format may have shorter names; here a littlefs is made with 12 bytes."""
    board.format('/sd', options={'name_max': 12})
    assert board.volume('/sd')['limits']['name_max'] == 12
    assert board.put('/sd/twelve.bytes', b'x').status_code == 201
    doc = problem(board.put('/sd/thirteenbytes', b'x'), 422, 'name-too-long')
    assert doc['limit'] == 12 and 'and 12 are the most' in doc['detail']
    doc = problem(board.bed.http.request('MKCOL', board.url('/fs/sd/thirteenbytes/')), 422, 'name-too-long')
    assert doc['limit'] == 12
    reply = subprocess.run(['curl', '-sS', '-X', 'PUT', '-H', f'Authorization: {board.bed.http.headers["Authorization"]}',
                            '-H', 'Content-Length: 3000000000', '-H', 'Expect: 100-continue', '-m', '10',
                            '--data-binary', '', board.url('/fs/sd/large')], capture_output=True, timeout=20)
    assert b'"/errors/too-large"' in reply.stdout, reply
    assert b'"limit":2147483647' in reply.stdout


def test_a_region_is_backed_up_and_restored(board):
    board.put('/flash/a.txt', b'before')
    body = {'device': 'board', 'storage': 'flash0', 'region': 'fs'}
    snapshot = board.bed.job(board.bed.http.post(board.bed.api('/snapshots'), json=body))['result']['snapshot']
    about = board.bed.http.get(board.bed.api(f'/snapshots/{snapshot}')).json()
    assert (about['region'], about['size'], about['fs']) == ('fs', 512 * KIB, 'littlefs')
    board.put('/flash/a.txt', b'after')
    job = board.bed.job(board.bed.http.post(board.bed.api(f'/snapshots/{snapshot}/restore'),
                                            json={'device': 'board', 'storage': 'flash0'}))
    assert job['state'] == 'done', job
    assert board.get('/flash/a.txt').content == b'before'


def test_the_command_line_mounts_and_formats(board):
    def flashport(*args):
        return subprocess.run([BIN / 'flashport', '--socket', board.bed.dir / 'd.sock', *args], capture_output=True,
                              text=True, timeout=60, stdin=subprocess.DEVNULL)
    board.put('/sd/a', b'a')
    assert flashport('unmount', 'board:/sd').returncode == 0
    assert flashport('ls', 'board:/sd').returncode == 4
    assert flashport('mount', '--opt', 'ro=1', 'board:/sd').returncode == 0
    assert flashport('rm', 'board:/sd/a').returncode == 8
    refused = flashport('format', '--fs', 'littlefs', 'board:/sd')
    assert refused.returncode == 2 and '--yes' in refused.stderr
    assert flashport('cat', 'board:/sd/a').stdout == 'a'
    assert flashport('format', 'board:/sd').returncode == 2
    assert flashport('format', '--yes', '--fs', 'littlefs', 'board:/sd').returncode == 0
    assert flashport('ls', 'board:/sd').stdout == ''
    shown = flashport('devices', 'board').stdout
    assert 'names of 255 bytes' in shown and 'a power cut leaves a file old or new' in shown
    assert 'fs            512K at 0x80000' in shown
    board.pull()
    assert 'no medium' in flashport('devices', 'board').stdout


@pytest.mark.skipif(not has_driver('minifs'), reason='this build has no minifs driver')
def test_minifs_says_its_limits(board):
    """Names of 12 bytes, one block a file, no directories."""
    board.format('/flash', fs='minifs')
    volume = board.volume('/flash')
    limit = volume['limits']['file_max']
    assert (volume['fs'], volume['limits']['name_max']) == ('minifs', 12)
    assert 0 < limit < 4096 * 2 and 'dirs' not in volume['caps']
    assert board.put('/flash/twelve.bytes', b'x' * limit).status_code == 201
    assert board.get('/flash/twelve.bytes').content == b'x' * limit
    doc = problem(board.put('/flash/thirteenbytes', b'x'), 422, 'name-too-long')
    assert doc['limit'] == 12 and 'and 12 are the most' in doc['detail']
    doc = problem(board.put('/flash/large', b'x' * (limit + 1)), 413, 'too-large')
    assert doc['limit'] == limit and str(limit) in doc['detail']

    def body():  # of a length that nobody told beforehand
        yield b'x' * (limit + 1)
    doc = problem(board.put('/flash/large', body()), 413, 'too-large')
    assert doc['limit'] == limit
    problem(board.bed.http.request('MKCOL', board.url('/fs/flash/dir/')), 501, 'not-supported')
    assert [e['name'] for e in board.get('/flash/').json()['entries']] == ['twelve.bytes']


@pytest.mark.skipif(not has_driver('spiffs') or not has_driver('minifs'), reason='this build has no SPIFFS or no minifs driver')
def test_a_volume_changes_its_filesystem_by_format(board):
    for fs in 'spiffs', 'minifs', 'littlefs':
        board.format('/flash', fs=fs)
        assert board.volume('/flash')['fs'] == fs
        assert board.put('/flash/file.txt', fs.encode()).status_code == 201
        assert board.act('/flash', 'unmount').status_code == 204
        assert board.act('/flash', 'mount').status_code == 204  # as what it was made last
        assert board.get('/flash/file.txt').content == fs.encode()
