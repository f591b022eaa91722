# SPDX-License-Identifier: MIT
"""Cards with partitions: what mkfs.fat and mtools made is read and written,
and what cannot be used says what to do."""
import os
import shutil
import subprocess

import pytest

import card
from bed import has_driver, wait_for

MIB = 1 << 20

pytestmark = [
    pytest.mark.skipif(not has_driver('fat'), reason='this build has no FAT driver'),
    pytest.mark.skipif(not shutil.which('mkfs.fat') or not shutil.which('mcopy'), reason='needs dosfstools and mtools'),
]


class Reader:
    """An agent with a slot and what is in it, and its daemon."""

    def __init__(self, bed, *options):
        self.bed, self.slot = bed, bed.dir / 'slot.img'
        socket = bed.dir / 'reader.unix'
        bed.process('reader', 'flashport-agent', '--id', 'reader', '--storage', f'sd0={self.slot},kind=card,removable',
                    '--mount', '/sd=sd0', *options, '--listen', f'unix:{socket}')
        wait_for(socket, lambda: os.path.lexists(socket))
        bed.links.append(f'unix:{socket}')
        bed.start_daemon()
        bed.online('reader')

    def url(self, path):
        return self.bed.api(f'/devices/reader{path}')

    def about(self):
        return self.bed.http.get(self.url('')).json()

    def volumes(self):
        return {v['path']: v for v in self.about()['volumes']}

    def insert(self, path):
        os.utime(path, (0, 0))
        os.rename(path, self.slot)
        wait_for('the card', lambda: self.about()['storages'][0]['medium'])

    def take_out(self, path):
        os.rename(self.slot, path)
        wait_for('no card', lambda: not self.about()['storages'][0]['medium'])


@pytest.fixture
def reader(fresh):
    return Reader(fresh)


def test_two_partitions_are_two_volumes(reader):
    path = reader.bed.dir / 'card.img'
    first, second = card.make(path, [40, 36])
    card.mtool('mcopy', path, first, '-', '::/from a computer.txt', input=b'hello')
    card.mtool('mmd', path, second, '::/DCIM')
    reader.insert(path)
    volumes = reader.volumes()
    assert {p: (v['fs'], v['region'], v['promise']) for p, v in volumes.items()} == {
        '/sd': ('fat', 'part1', 'old-or-new'), '/sd2': ('fat', 'part2', 'old-or-new')}
    assert volumes['/sd']['limits']['file_max'] == 2 ** 32 - 1
    regions = reader.about()['storages'][0]['regions']
    assert [(r['name'], r['off'], r['size'], r['flags']) for r in regions] == [
        ('part1', first, 40 * MIB, ['partition']), ('part2', second, 36 * MIB, ['partition'])]
    get, put = reader.bed.http.get, reader.bed.http.put
    assert get(reader.url('/fs/sd/from a computer.txt')).content == b'hello'
    data = os.urandom(300000)
    assert put(reader.url('/fs/sd2/DCIM/a long name.jpg'), data=data).status_code == 201
    assert put(reader.url('/fs/sd/from a computer.txt'), data=b'changed').status_code == 204
    # At rest it is in order, and may be pulled.
    for offset, size in (first, 40 * MIB), (second, 36 * MIB):
        wait_for('a clean volume', lambda: card.is_clean(reader.slot, offset, size, reader.bed.dir / 'alone.img'))
    reader.take_out(path)
    assert card.read(path, first, 'from a computer.txt') == b'changed'
    assert card.read(path, second, 'DCIM/a long name.jpg') == data


def test_one_partition_is_one_volume_and_a_superfloppy_too(reader):
    one, bare = reader.bed.dir / 'one.img', reader.bed.dir / 'bare.img'
    card.make(one, [36])
    with open(bare, 'wb') as file:
        file.truncate(36 * MIB)
    card.mkfs(bare, 0, 36 * 2048, 'BARE')
    card.mtool('mcopy', bare, 0, '-', '::/bare.txt', input=b'no table')
    reader.insert(one)
    assert list(reader.volumes()) == ['/sd'] and reader.volumes()['/sd']['region'] == 'part1'
    reader.take_out(one)
    reader.insert(bare)
    assert list(reader.volumes()) == ['/sd'] and 'region' not in reader.volumes()['/sd']
    assert reader.bed.http.get(reader.url('/fs/sd/bare.txt')).content == b'no table'


@pytest.mark.parametrize('kind, words', [(card.EXFAT, 'exFAT'), (card.GPT, 'GPT')])
def test_what_is_no_fat_is_refused_with_what_to_do(reader, kind, words):
    path = reader.bed.dir / 'card.img'
    offset, = card.make(path, [36], [kind])
    if kind == card.EXFAT:
        with open(path, 'r+b') as file:
            file.seek(offset)
            file.write(b'\xeb\x76\x90EXFAT   ' + bytes(499) + b'\x55\xaa')
    before = path.read_bytes()
    reader.insert(path)
    volume = reader.volumes()['/sd']
    assert not volume['mounted'] and words in volume['reason'], volume
    reply = reader.bed.http.get(reader.url('/fs/sd/'))
    assert reply.status_code in (404, 501) and words in reply.json()['detail']
    reader.take_out(path)
    assert path.read_bytes() == before


def test_a_partition_is_backed_up_browsed_and_restored(reader):
    path = reader.bed.dir / 'card.img'
    card.make(path, [36, 36])
    reader.insert(path)
    http, api = reader.bed.http, reader.bed.api
    wait_for('the second partition', lambda: http.put(reader.url('/fs/sd2/kept.txt'), data=b'kept').status_code == 201)
    taken = reader.bed.job(http.post(api('/snapshots'), json={'device': 'reader', 'storage': 'sd0', 'region': 'part2'}))
    assert taken['state'] == 'done', taken
    snapshot = taken['result']['snapshot']
    listing = http.get(api(f'/snapshots/{snapshot}/fs/')).json()
    assert [e['name'] for e in listing['entries']] == ['kept.txt']
    assert http.get(api(f'/snapshots/{snapshot}/fs/kept.txt')).content == b'kept'
    http.delete(reader.url('/fs/sd2/kept.txt'))
    http.put(reader.url('/fs/sd/other.txt'), data=b'other')
    done = reader.bed.job(http.post(api(f'/snapshots/{snapshot}/restore'), json={'device': 'reader', 'storage': 'sd0'}))
    assert done['state'] == 'done', done
    assert http.get(reader.url('/fs/sd2/kept.txt')).content == b'kept'
    assert http.get(reader.url('/fs/sd/other.txt')).content == b'other'  # of the neighbour nothing was touched


def test_too_large_a_file_is_refused_with_the_limit(reader):
    """A card of 6 GiB, sparse: FAT keeps a size in 32 bits."""
    path = reader.bed.dir / 'card.img'
    card.make(path, [6144])
    reader.insert(path)
    url = reader.url('/fs/sd/large.bin')
    reply = subprocess.run(['curl', '-sS', '-X', 'PUT', '-H', f'Authorization: {reader.bed.http.headers["Authorization"]}',
                            '-H', f'Content-Length: {2 ** 32}', '-H', 'Expect: 100-continue', '-m', '10', '--data-binary', '', url],
                           capture_output=True, timeout=20)
    assert b'"/errors/too-large"' in reply.stdout and b'"limit":4294967295' in reply.stdout, reply


def test_only_a_request_formats_a_card(reader):
    path = reader.bed.dir / 'card.img'
    with open(path, 'wb') as file:
        file.truncate(40 * MIB)
    reader.insert(path)
    assert not reader.volumes()['/sd']['mounted']
    assert not any(path.read_bytes() if path.exists() else reader.slot.read_bytes())
    reply = reader.bed.http.post(reader.url('/volumes/sd'), json={'action': 'format', 'fs': 'fat', 'options': {'label': 'BENCH'}})
    assert reply.status_code == 204, reply.text
    assert reader.bed.http.put(reader.url('/fs/sd/a'), data=b'a').status_code == 201
    wait_for('a clean volume', lambda: card.is_clean(reader.slot, 0, 40 * MIB, reader.bed.dir / 'alone.img'))
    reader.take_out(path)
    assert b'BENCH' in card.mtool('mlabel', path, 0, '-s', '::').stdout


def test_fat_on_flash_by_a_reserve(fresh):
    """OpenMV's internal flash: FAT where whole blocks are erased. A cut of the
    power in the midst of an upload leaves the old file, and plain FAT."""
    flash, socket = fresh.dir / 'flash.img', fresh.dir / 'openmv.unix'
    agent = fresh.process('openmv', 'flashport-agent', '--id', 'openmv', '--storage', f'flash0={flash},block=4096,count=256,prog=32',
                          '--region', 'fs=flash0@0+960K', '--region', 'spare=flash0@960K+64K',
                          '--mount', '/flash=fs:fat,reserve=spare', '--format', 'fat', '--listen', f'unix:{socket}')
    wait_for(socket, lambda: os.path.lexists(socket))
    fresh.links.append(f'unix:{socket}')
    fresh.start_daemon()
    fresh.online('openmv')
    volume, = fresh.http.get(fresh.api('/devices/openmv')).json()['volumes']
    assert (volume['fs'], volume['promise'], volume['writable']) == ('fat', 'old-or-new', True)
    url = fresh.api('/devices/openmv/fs/flash/main.py')
    assert fresh.http.put(url, data=b'old').status_code == 201

    def body():
        yield b'n' * 30000
        agent.kill()
        socket.unlink(missing_ok=True)
        agent.restart()
        yield b'n' * 30000
    fresh.http.put(url, data=body())
    fresh.online('openmv')
    assert fresh.http.get(url).content in (b'old', b'n' * 60000)
    assert fresh.http.put(url, data=b'new').status_code in (201, 204)
    assert fresh.http.get(url).content == b'new'
    # Clusters that were lost are all that the cut may have cost.
    repair = fresh.http.post(fresh.api('/devices/openmv/volumes/flash'), json={'action': 'repair'})
    assert repair.status_code == 200, repair.text
    agent.stop()
    assert card.read(flash, 0, 'main.py') == b'new'
    assert card.is_clean(flash, 0, 960 * 1024, fresh.dir / 'alone.img')


def test_times_on_a_card_are_those_of_the_wall(fresh, monkeypatch):
    """FAT keeps local time; the device has no clock and takes the host's zone."""
    monkeypatch.setenv('TZ', 'Etc/GMT-2')  # two hours ahead
    reader, path = Reader(fresh), fresh.dir / 'card.img'
    offset, = card.make(path, [36])
    reader.insert(path)
    noon = 1710504000  # 2024-03-15 12:00 UTC
    headers = {'X-Flashport-Mtime': str(noon)}
    assert fresh.http.put(reader.url('/fs/sd/noon.txt'), data=b'x', headers=headers).status_code == 201
    entry, = fresh.http.get(reader.url('/fs/sd/')).json()['entries']
    assert entry['mtime'].startswith('2024-03-15T12:00:00'), entry
    assert b'2024-03-15  14:00' in card.mtool('mdir', reader.slot, offset, '::').stdout
    taken = fresh.job(fresh.http.post(fresh.api('/snapshots'), json={'device': 'reader', 'storage': 'sd0', 'region': 'part1'}))
    entry, = fresh.http.get(fresh.api(f'/snapshots/{taken["result"]["snapshot"]}/fs/')).json()['entries']
    assert entry['mtime'].startswith('2024-03-15T12:00:00'), entry
