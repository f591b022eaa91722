# SPDX-License-Identifier: MIT
"""A device as MaixPy lays it out (tests/tools/maixpy.py): browsed, uploaded to,
backed up and restored, all of it through the daemon."""
import os
import shutil

import pytest

import card
import maixpy
from bed import Bed, has_driver, wait_for

MIB = 1 << 20


pytestmark = [pytest.mark.skipif(not has_driver(fs), reason=f'this build has no {fs} driver') for fs in ('spiffs', 'fat', 'raw')] + [
    pytest.mark.skipif(not shutil.which('mkfs.fat') or not shutil.which('mcopy'), reason='needs dosfstools and mtools')]


@pytest.fixture(scope='module')
def maix():
    with Bed() as bed:
        maixpy.make(bed.dir)
        os.utime(bed.dir / 'card.img', (0, 0))
        socket = bed.dir / 'maix.unix'
        bed.process('maix', 'flashport-agent', '--id', 'maix', *maixpy.arguments(bed.dir), '--listen', f'unix:{socket}')
        wait_for(socket, lambda: os.path.lexists(socket))
        bed.links.append(f'unix:{socket}')
        bed.start_daemon()
        bed.online('maix')
        yield bed


def url(bed, path):
    return bed.api(f'/devices/maix{path}')


def names(bed, path):
    return sorted(e['name'] for e in bed.http.get(url(bed, f'/fs{path}')).json()['entries'])


def test_its_volumes_and_regions_are_told(maix):
    about = maix.http.get(url(maix, '')).json()
    assert about['default_volume'] == '/sd'
    volumes = {v['path']: v for v in about['volumes']}
    assert {p: (v['fs'], v.get('region'), v['promise']) for p, v in volumes.items()} == {
        '/flash': ('spiffs', 'fs', 'old-or-new'), '/raw': ('raw', None, 'none'),
        '/sd': ('fat', 'part1', 'old-or-new'), '/sd2': ('fat', 'part2', 'old-or-new')}
    assert volumes['/flash']['limits']['name_max'] < 32 and volumes['/flash']['limits']['files_max'] > 0
    assert 'stage' not in volumes['/raw']['caps'] and 'mtime' not in volumes['/flash']['caps']
    regions = {s['name']: [(r['name'], r['off'], r['size']) for r in s['regions']] for s in about['storages']}
    assert regions == {'flash0': [('firmware', 0, 3 * MIB), ('model', 3 * MIB, 10 * MIB), ('fs', 13 * MIB, 3 * MIB)],
                       'sd0': [('part1', MIB, 40 * MIB), ('part2', 41 * MIB, 36 * MIB)]}


def test_it_is_browsed(maix):
    assert names(maix, '/') == ['flash', 'raw', 'sd', 'sd2']
    assert names(maix, '/raw/') == ['firmware', 'model']
    assert names(maix, '/sd/examples/') == ['face detection.py']
    assert maix.http.get(url(maix, '/fs/sd2/recorded on the bench.txt')).content == b'a note\n'


def test_the_model_is_read_by_range_and_written_in_place(maix):
    model, flash = url(maix, '/fs/raw/model'), maixpy.flash()
    assert maix.http.get(model).content == flash[maixpy.MODEL:maixpy.MODEL + 10 * MIB]
    part = maix.http.get(model, headers={'Range': 'bytes=4096-8191'})
    assert part.status_code == 206 and part.content == flash[maixpy.MODEL + 4096:maixpy.MODEL + 8192]
    new = b'KMDL' + os.urandom(300000)
    refused = maix.http.put(model, data=new)
    assert refused.status_code == 501 and 'in place' in refused.json()['detail']
    assert maix.http.put(model + '?in_place=1', data=new).status_code in (200, 201, 204)
    image = (maix.dir / 'maix.img').read_bytes()
    assert image[maixpy.MODEL:maixpy.MODEL + len(new)] == new
    assert image[maixpy.MODEL + len(new):maixpy.SPIFFS] == flash[maixpy.MODEL + len(new):maixpy.SPIFFS]
    assert image[:maixpy.MODEL] == flash[:maixpy.MODEL]
    for name, size in ('model', 10 * MIB), ('firmware', 3 * MIB):
        too_large = maix.http.put(url(maix, f'/fs/raw/{name}?in_place=1'), data=b'x' * (size + 1))
        assert too_large.status_code == 413 and too_large.json()['limit'] == size, too_large.text
    assert maix.http.get(url(maix, '/fs/raw/firmware')).content == flash[:3 * MIB]


def test_raw_regions_keep_their_names(maix):
    model = url(maix, '/fs/raw/model')
    destination = {'Destination': f'{url(maix, "/fs/raw/other")}'}
    for reply in (maix.http.delete(model), maix.http.request('MOVE', model, headers=destination),
                  maix.http.put(url(maix, '/fs/raw/other?in_place=1'), data=b'new')):
        assert reply.status_code == 501 and 'there for good' in reply.json()['detail'], reply.text
    across = maix.http.request('MOVE', model, headers={'Destination': url(maix, '/fs/sd/model')})
    assert across.status_code == 501 and 'there for good' in across.json()['detail'], across.text
    across = maix.http.request('MOVE', url(maix, '/fs/sd2/recorded on the bench.txt'), headers={'Destination': url(maix, '/fs/sd/note.txt')})
    assert across.status_code == 501 and 'across volumes' in across.json()['detail'], across.text
    assert names(maix, '/raw/') == ['firmware', 'model']


def test_raw_regions_are_not_formatted(maix):
    """/raw is all of the flash: SPIFFS, firmware and model would go."""
    before = (maix.dir / 'maix.img').read_bytes()
    reply = maix.http.post(url(maix, '/volumes/raw'), json={'action': 'format', 'fs': 'littlefs'})
    assert reply.status_code == 501, reply.text
    assert (maix.dir / 'maix.img').read_bytes() == before
    assert maix.http.get(url(maix, '')).json()['filesystems'].count('raw') == 0


def test_files_are_uploaded_to_each_volume(maix):
    for path in '/flash/boot.py', '/flash/lib/net.py', '/sd/a long name on a card.py', '/sd2/data.bin':
        data = os.urandom(50000)
        assert maix.http.put(url(maix, f'/fs{path}'), data=data).status_code == 201
        assert maix.http.get(url(maix, f'/fs{path}')).content == data
    assert names(maix, '/flash/') == ['boot.py', 'lib']  # flat names show as directories
    assert names(maix, '/flash/lib/') == ['net.py']


def test_errors_name_the_limits_of_each_format(maix):
    reply = maix.http.put(url(maix, '/fs/flash/a-name-that-is-longer-than-spiffs-takes.py'), data=b'x')
    assert reply.status_code == 422 and reply.json()['limit'] < 32, reply.text
    reply = maix.http.request('MKCOL', url(maix, '/fs/flash/empty/'))
    assert reply.status_code == 501 and 'directories' in reply.json()['detail'], reply.text
    reply = maix.http.put(url(maix, '/fs/sd/' + 'n' * 256), data=b'x')
    assert reply.status_code == 422 and reply.json()['limit'] == 255, reply.text


def back_up(bed, storage, region=None):
    body = {'device': 'maix', 'storage': storage} | ({'region': region} if region else {})
    job = bed.job(bed.http.post(bed.api('/snapshots'), json=body))
    assert job['state'] == 'done', job
    return job['result']['snapshot']


def restore(bed, snapshot, storage):
    job = bed.job(bed.http.post(bed.api(f'/snapshots/{snapshot}/restore'), json={'device': 'maix', 'storage': storage}))
    assert job['state'] == 'done', job


@pytest.mark.parametrize('storage, region, volume', [('flash0', None, '/flash'), ('flash0', 'fs', '/flash'), ('sd0', None, '/sd2'),
                                                     ('sd0', 'part2', '/sd2')])
def test_it_is_backed_up_and_restored(maix, storage, region, volume):
    file = url(maix, f'/fs{volume}/precious.txt')
    assert maix.http.put(file, data=b'before').status_code in (201, 204)
    image = maix.dir / ('maix.img' if storage == 'flash0' else 'card.img')
    snapshot = back_up(maix, storage, region)
    taken = maix.http.get(maix.api(f'/snapshots/{snapshot}/image')).content
    start = {None: 0, 'fs': maixpy.SPIFFS, 'part2': 41 * MIB}[region]
    assert taken == image.read_bytes()[start:start + len(taken)]
    if region:
        assert maix.http.get(maix.api(f'/snapshots/{snapshot}/fs/precious.txt')).content == b'before'
    maix.http.put(file, data=b'after')
    assert maix.http.get(file).content == b'after'
    restore(maix, snapshot, storage)
    assert maix.http.get(file).content == b'before'


def test_the_card_is_in_order_for_a_computer(maix):
    """After all that was done to it. It is pulled, which takes no unmounting."""
    for offset, size in (MIB, 40 * MIB), (41 * MIB, 36 * MIB):
        wait_for('a clean volume', lambda: card.is_clean(maix.dir / 'card.img', offset, size, maix.dir / 'alone.img'))
    os.rename(maix.dir / 'card.img', maix.dir / 'drawer.img')
    wait_for('the card out', lambda: maix.http.get(url(maix, '')).json()['default_volume'] == '/flash')
    assert names(maix, '/') == ['flash', 'raw']
    assert card.read(maix.dir / 'drawer.img', 41 * MIB, 'precious.txt') == b'before'
