# SPDX-License-Identifier: MIT
"""What a firmware does not let anybody do, asked over REST: protected paths on
each filesystem that has spellings of its own, regions that are read-only or
hidden, and images that are too large.

The flash is compared with itself before, and its erases with the device's own
count of them.
"""
import random
import shutil
import subprocess

import pytest

from bed import has_driver

BLOCK, BLOCKS = 4096, 64
SECRET = b'a key that nobody shall read' * 100


def content(size, seed=1):
    return random.Random(seed).randbytes(size)


def protected(bed, reply):
    assert reply.status_code == 403, (reply.status_code, reply.text)
    doc = reply.json()
    assert doc['code'] == 'ACCES' and 'firmware' in doc['detail'], doc


def erases(bed):
    return bed.http.get(bed.api('/devices/dev/stats')).json()['counters']['flash0.erases']


def start(bed, *options, storage='', volume='/flash=flash0:littlefs'):
    bed.process('dev', 'flashport-agent', '--id', 'dev', '--storage', f'flash0={bed.dir / "dev.img"},block={BLOCK},count={BLOCKS},prog=256{storage}',
                '--mount', volume, '--format', 'littlefs', '--listen', f'unix:{bed.dir / "dev.unix"}', *options)
    bed.links.append(f'unix:{bed.dir / "dev.unix"}')
    bed.start_daemon()
    bed.online('dev')


def test_a_protected_path(fresh):
    start(fresh, '--protect', '/flash/boot/main.py')
    base = fresh.api('/devices/dev/fs/flash')

    def move(old, new):
        return fresh.http.request('MOVE', f'{base}/{old}', headers={'Destination': f'{base}/{new}'})
    assert fresh.http.request('MKCOL', f'{base}/boot/').status_code == 201
    for reply in (fresh.http.put(f'{base}/boot/main.py', data='x'), fresh.http.put(f'{base}/boot/MAIN.PY', data='x'),
                  fresh.http.put(f'{base}/boot/main.py?in_place=1', data='x'), fresh.http.delete(f'{base}/boot/?recursive=1'),
                  move('boot/', 'gone/'), fresh.http.request('MKCOL', f'{base}/boot/main.py/'),
                  fresh.http.post(fresh.api('/devices/dev/volumes/flash'), json={'action': 'format', 'fs': 'littlefs'})):
        protected(fresh, reply)
    assert fresh.http.put(f'{base}/boot/other.py', data='x').status_code == 201
    protected(fresh, move('boot/other.py', 'boot/main.py'))
    assert [e['name'] for e in fresh.http.get(f'{base}/boot/').json()['entries']] == ['other.py']
    image, before = (fresh.dir / 'dev.img').read_bytes(), erases(fresh)
    job = fresh.job(fresh.http.put(fresh.api('/devices/dev/storages/flash0/image'), data=content(BLOCK * BLOCKS)))
    assert job['state'] == 'failed' and job['error']['code'] == 'ACCES' and 'firmware' in job['error']['detail'], job
    assert (fresh.dir / 'dev.img').read_bytes() == image and erases(fresh) == before
    assert fresh.http.get(f'{base}/boot/other.py').content == b'x'


@pytest.mark.skipif(not has_driver('fat') or not shutil.which('mformat'), reason='needs the FAT driver and mtools')
def test_a_protected_path_on_a_card(fresh):
    card = fresh.dir / 'card.img'
    card.write_bytes(bytes(4 << 20))
    subprocess.run(['mformat', '-i', card, '::'], check=True)
    (fresh.dir / 'f').write_bytes(b'settings')
    subprocess.run(['mcopy', '-i', card, fresh.dir / 'f', '::settings of the device.json'], check=True)
    fresh.process('dev', 'flashport-agent', '--id', 'dev', '--storage', f'flash0={card},kind=card', '--mount', '/sd=flash0:fat',
                  '--protect', '/sd/settings of the device.json', '--listen', f'unix:{fresh.dir / "dev.unix"}')
    fresh.links.append(f'unix:{fresh.dir / "dev.unix"}')
    fresh.start_daemon()
    fresh.online('dev')
    base = fresh.api('/devices/dev/fs/sd')
    for name in ('settings of the device.json', 'SETTINGS of the Device.JSON', 'SETTIN~1.JSO', 'settin~1.jso', 'settings of the device.json.'):
        url = f'{base}/{name}'
        protected(fresh, fresh.http.put(url, data='x'))
        protected(fresh, fresh.http.delete(url))
    assert fresh.http.get(f'{base}/SETTIN~1.JSO').content == b'settings'
    assert fresh.http.put(f'{base}/settings', data='mine').status_code == 201
    done = subprocess.run(['mtype', '-i', card, '::SETTIN~1.JSO'], capture_output=True, check=True)
    assert done.stdout == b'settings'


def test_regions(fresh):
    flash = content(BLOCK * BLOCKS, 5)
    flash = b'\xff' * 32 * BLOCK + flash[32 * BLOCK:48 * BLOCK] + SECRET.ljust(4 * BLOCK, b'\0') + flash[52 * BLOCK:]
    (fresh.dir / 'dev.img').write_bytes(flash)
    start(fresh, '--region', 'firmware=flash0@0x20000+0x10000,read-only', '--region', 'keys=flash0@0x30000+0x4000,hidden',
          '--region', 'data=flash0@0x34000+0x4000', '--region', 'fs=flash0@0+0x20000', '--region', 'inside=flash0@0x1f000+0x1000', '--mount', '/raw=flash0:raw', volume='/flash=fs:littlefs')
    assert 'keys' not in fresh.http.get(fresh.api('/devices/dev')).text
    firmware, = [r for r in fresh.http.get(fresh.api('/devices/dev')).json()['storages'][0]['regions'] if r['name'] == 'firmware']
    assert firmware['flags'] == ['read-only']
    raw = fresh.api('/devices/dev/fs/raw')
    assert {e['name'] for e in fresh.http.get(f'{raw}/').json()['entries']} == {'firmware', 'data'}
    for name in ('keys', 'fs', 'inside'):    # hidden; what a filesystem lies on
        assert fresh.http.get(f'{raw}/{name}').status_code == 404
    assert fresh.http.get(f'{raw}/firmware').content == flash[32 * BLOCK:48 * BLOCK]
    reply = fresh.http.put(f'{raw}/firmware?in_place=1', data=content(1000))
    assert reply.status_code == 403, reply.text
    reply = fresh.http.put(f'{raw}/data?in_place=1', data=content(1000))
    assert reply.status_code == 204, reply.text

    assert fresh.http.put(fresh.api('/devices/dev/fs/flash/f'), data=b'beside it').status_code == 201

    # Its image has a hole where it is hidden, and no byte of the secret.
    snapshot = fresh.backup('dev')['result']
    assert snapshot['complete'] is False and snapshot['unreadable'] == 4, snapshot
    image = fresh.http.get(fresh.api(f'/snapshots/{snapshot["snapshot"]}/image?incomplete=1'))
    assert SECRET[:28] not in image.content
    assert fresh.http.post(fresh.api('/snapshots'), json={'device': 'dev', 'storage': 'flash0', 'region': 'keys'}).status_code == 404

    # What is restored leaves both as they are.
    new = content(BLOCK * BLOCKS, 6)
    job = fresh.job(fresh.http.put(fresh.api('/devices/dev/storages/flash0/image'), data=new))
    assert job['state'] == 'done' and 'keys' not in str(job), job
    assert (fresh.dir / 'dev.img').read_bytes() == new[:32 * BLOCK] + flash[32 * BLOCK:52 * BLOCK] + new[52 * BLOCK:]
    before = erases(fresh)
    taken = fresh.job(fresh.http.post(fresh.api('/snapshots'), json={'device': 'dev', 'storage': 'flash0', 'region': 'firmware'}))
    assert taken['result']['complete'], taken
    job = fresh.job(fresh.http.post(fresh.api(f'/snapshots/{taken["result"]["snapshot"]}/restore'),
                                    json={'device': 'dev', 'storage': 'flash0', 'region': 'firmware'}))
    assert job['state'] == 'failed' and job['error']['code'] == 'ACCES' and 'firmware' in job['error']['detail'], job
    assert erases(fresh) == before


def test_an_image_that_is_too_large_erases_nothing(fresh):
    start(fresh)
    base = fresh.api('/devices/dev/fs/flash')
    assert fresh.http.put(f'{base}/f', data=b'old').status_code == 201
    image, before = (fresh.dir / 'dev.img').read_bytes(), erases(fresh)
    large = content(BLOCK * BLOCKS + 1)
    url = fresh.api('/devices/dev/storages/flash0/image')
    reply = fresh.http.put(url, data=large)
    assert reply.status_code == 413 and reply.json()['code'] == 'FBIG', reply.text
    assert fresh.http.put(url, data=iter([large])).status_code == 411
    assert (fresh.dir / 'dev.img').read_bytes() == image and erases(fresh) == before
    assert fresh.http.get(f'{base}/f').content == b'old'
