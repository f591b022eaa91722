# SPDX-License-Identifier: MIT
"""The agent in real firmware: boards under QEMU, and a daemon at their UART.

One suite for every board of tests/tools/boards.py, which has the figures of each;
firmware is built by `./dev build NAME`. What flash holds is taken from outside,
and judged by the checker in tests/tools. FP_CUTS sets how often the power is cut
and how often the machine is reset (5), FP_SEED the seed, which is printed.
"""
import hashlib
import http.client
import json
import os
import pathlib
import random
import subprocess
import sys
import threading
import time
import urllib.parse

import pytest
import requests

from bed import BIN, Bed, wait_for
from boards import BOARDS, Ast1030Evb
from test_kill import Model

pytestmark = pytest.mark.firmware

TOOLS = pathlib.Path(__file__).resolve().parent.parent / 'tools'


def kinds(*boards):
    """As parameters; those of one name run one after the other, those of two side by side."""
    return [pytest.param(board, id=board.NAME, marks=pytest.mark.xdist_group(board.NAME)) for board in boards]


@pytest.fixture(scope='module', params=kinds(*BOARDS.values()))
def kind(request):
    return request.param


def start_board(bed, kind, baud=0, **prepared):
    """Its UART is the daemon's link, or with a rate at the other end of a line."""
    board = kind(bed.dir, 'dev', **prepared).start()
    bed.processes.append(board)
    if baud:
        bed.line('dev', baud, listen='uart')
    else:
        bed.links.append(f'unix:{board.uart}')
    bed.start_daemon()
    bed.device = kind.ID
    bed.online(kind.ID)
    return board


@pytest.fixture(scope='module')
def bed(kind):
    with Bed() as made:
        board = start_board(made, kind)
        yield made
        assert board.is_running(), 'the firmware faulted'
        told = counters(made)
        assert told['bare.wire_lost_bytes'] == 0, told
        assert told['bare.stack_free_bytes'] >= 256, told


def counters(bed):
    return bed.http.get(bed.api(f'/devices/{bed.device}/stats')).json()['counters']


def file_url(bed, name=''):
    return bed.api(f'/devices/{bed.device}/fs/flash/{name}')


def upload(bed, name, data):
    reply = bed.http.put(file_url(bed, name), data=data)
    assert reply.status_code in (201, 204), reply.text


def content(size, seed=1):
    return random.Random(seed).randbytes(size)


def names(bed, folder=''):
    return {entry['name']: entry.get('size') for entry in bed.http.get(file_url(bed, folder)).json()['entries']}


def check_files(kind, path, data):
    """By the independent checker: a littlefs as a power cut may leave it, and nothing worse."""
    path.write_bytes(data)
    done = subprocess.run([sys.executable, TOOLS / 'littlefs_check.py', path, '--block-size', str(kind.BLOCK),
                           '--prog-size', str(kind.PROG), '--json'], capture_output=True, timeout=120)
    report = json.loads(done.stdout)
    assert report['unreadable'] is None and done.returncode == 0, report['findings']


def test_it_comes_online_and_tells_what_it_is(bed, kind):
    device = bed.http.get(bed.api(f'/devices/{bed.device}')).json()
    storage, volume = device['storages'][0], device['volumes'][0]
    assert device['model'] == kind.NAME
    assert (storage['size'], storage['block_size'], storage['prog_size']) == (kind.SIZE, kind.BLOCK, kind.PROG)
    assert ('xip' in storage['flags']) == kind.STALLS
    assert volume['mounted'] and volume['writable'], 'a blank flash was not formatted'


@pytest.mark.parametrize('size', [0, 1, 128, 129, 1023, 1024, 1025, 4095, 4096, 4097, 60_000])
def test_what_is_uploaded_comes_back(bed, size):
    data = content(size, size)
    upload(bed, 'f', data)
    reply = bed.http.get(file_url(bed, 'f'))
    assert reply.content == data
    assert names(bed)['f'] == size


def test_folders_renames_and_deletes(bed):
    assert bed.http.request('MKCOL', file_url(bed, 'dir/')).status_code == 201
    upload(bed, 'dir/one', b'first')
    moved = bed.http.request('MOVE', file_url(bed, 'dir/one'),
                             headers={'Destination': f'/api/v1/devices/{bed.device}/fs/flash/dir/two'})
    assert moved.status_code in (201, 204), moved.text
    assert names(bed, 'dir/') == {'two': 5}
    assert bed.http.get(file_url(bed, 'dir/two')).content == b'first'
    assert bed.http.delete(file_url(bed, 'dir/two')).status_code == 204
    assert names(bed, 'dir/') == {}
    assert bed.http.delete(file_url(bed, 'dir/')).status_code == 204


def test_more_files_than_a_small_index_of_a_directory_holds(bed):
    made = {f'file-{i:02}': i for i in range(40)}
    for name, size in made.items():
        upload(bed, name, content(size))
    found = names(bed)
    assert {name: found.get(name) for name in made} == made
    for name in made:
        assert bed.http.delete(file_url(bed, name)).status_code == 204


def test_an_upload_that_does_not_fit_changes_nothing(bed, kind):
    upload(bed, 'f', b'old')
    reply = bed.http.put(file_url(bed, 'f'), data=content(kind.SIZE))
    assert reply.status_code == 507, reply.text
    assert bed.http.get(file_url(bed, 'f')).content == b'old'


def test_a_file_is_known_by_its_hash(bed):
    data = content(5000)
    upload(bed, 'f', data)
    etag = f'"{hashlib.sha256(data).hexdigest()}"'
    assert bed.http.head(file_url(bed, 'f')).headers['ETag'] == etag
    assert bed.http.get(file_url(bed, 'f'), headers={'If-None-Match': etag}).status_code == 304
    refused = bed.http.put(file_url(bed, 'f'), data=b'new', headers={'If-Match': '"' + '0' * 64 + '"'})
    assert refused.status_code == 412
    assert bed.http.get(file_url(bed, 'f')).content == data


def test_more_at_once_than_it_works_on(bed):
    answers = [[] for _ in range(6)]

    def one(i):
        url, headers = file_url(bed, f'at-once-{i}'), dict(bed.http.headers)
        answers[i] = [requests.put(url, data=content(3000, i), headers=headers, timeout=60).status_code,
                      requests.get(url, headers=headers, timeout=60).content == content(3000, i),
                      requests.delete(url, headers=headers, timeout=60).status_code]
    workers = [threading.Thread(target=one, args=(i,)) for i in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert answers == [[201, True, 204]] * 6


def test_on_its_line_text_is_packed_where_there_is_room_for_that(kind):
    """Without a rate nothing ever is."""
    text = b''.join(b'{"probe": %d, "celsius": %d}\n' % (i % 7, 20 + i % 5) for i in range(400))
    with Bed() as bed:
        start_board(bed, kind, baud=115200)
        before = counters(bed)
        upload(bed, 'text', text)
        assert bed.http.get(file_url(bed, 'text')).content == text
        after = counters(bed)
        for way in ('link.rx_bytes', 'link.tx_bytes'):
            assert (after[way] - before[way] < len(text) / 2) == kind.PACKS, way


def restore(bed, snapshot):
    job = bed.job(bed.http.post(bed.api(f'/snapshots/{snapshot}/restore'), json={'device': bed.device, 'storage': 'flash0'}))
    assert job['state'] == 'done', job


def test_a_snapshot_is_the_flash_and_a_restore_brings_it_back(kind, tmp_path):
    with Bed() as bed:
        board = start_board(bed, kind)
        upload(bed, 'kept', content(20_000))
        job = bed.backup(kind.ID)
        assert job['state'] == 'done', job
        snapshot = job['result']['snapshot']
        upload(bed, 'kept', b'overwritten')
        upload(bed, 'new', content(9_000))
        restore(bed, snapshot)
        assert bed.http.get(file_url(bed, 'kept')).content == content(20_000)
        assert names(bed) == {'kept': 20_000}
        board.save()
        image = bed.http.get(bed.api(f'/snapshots/{snapshot}/image')).content
        assert board.files() == image
        check_files(kind, tmp_path / 'flash.img', image)


def epoch_of(bed):
    return bed.http.get(bed.api(f'/devices/{bed.device}')).json()['epoch']


def anew(bed, epoch):
    """The firmware has started again, and the daemon has found that out by itself."""
    wait_for('another epoch', lambda: epoch_of(bed) != epoch)
    bed.online(bed.device)


def test_it_restarts_when_asked(kind):
    with Bed() as bed:
        board = start_board(bed, kind)
        upload(bed, 'kept', b'as it was')
        epoch = epoch_of(bed)
        board.resets(True)
        assert bed.http.post(bed.api(f'/devices/{bed.device}/reboot')).status_code < 300
        anew(bed, epoch)
        assert bed.http.get(file_url(bed, 'kept')).content == b'as it was'


# ---- kills and power cuts ----

def send_half(bed, name, data):
    """An upload that does not go on, of which the device has had some."""
    url, before = urllib.parse.urlsplit(file_url(bed, name)), counters(bed)['link.rx_bytes']
    request = http.client.HTTPConnection(url.netloc)
    request.putrequest('PUT', url.path)
    request.putheader('Authorization', bed.http.headers['Authorization'])
    request.putheader('Content-Length', str(len(data)))
    request.endheaders(data[:len(data) // 2])
    wait_for('bytes of it', lambda: counters(bed)['link.rx_bytes'] > before + len(data) // 4)
    return request


def test_a_killed_daemon_leaves_the_old_file(kind):
    with Bed() as bed:
        start_board(bed, kind)
        upload(bed, 'f', b'old')
        request = send_half(bed, 'f', content(40_000))
        bed.daemon.kill()
        request.close()
        bed.restart_daemon()
        bed.online(kind.ID)
        assert bed.http.get(file_url(bed, 'f')).content == b'old'
        # Where there is place for one upload, the first keeps it for a few seconds: 503, Retry-After.
        wait_for('a place', lambda: bed.http.put(file_url(bed, 'f'), data=content(40_000)).status_code in (201, 204))
        assert bed.http.get(file_url(bed, 'f')).content == content(40_000)


def random_op(bed, rnd, files):
    """(how it is asked for, what it makes of a dict of the files)"""
    name, kind = rnd.choice('abcde'), rnd.choice('pppprd') if files else 'p'
    if kind == 'p':
        data = rnd.randbytes(rnd.choice((0, 40, 700, 3000, 12_000)))
        return ('PUT', name, {'data': data}), lambda old: {**old, name: data}
    was = rnd.choice(sorted(files))
    without = {key: value for key, value in files.items() if key != was}
    if kind == 'd' or was == name:
        return ('DELETE', was, {}), lambda old: without
    to = {'headers': {'Destination': f'/api/v1/devices/{bed.device}/fs/flash/{name}'}}
    return ('MOVE', was, to), lambda old: {**without, name: files[was]}


def ask(bed, asked, answers):
    method, name, extra = asked
    headers = {**bed.http.headers, **extra.get('headers', {})}
    try:
        answers.append(requests.request(method, file_url(bed, name), headers=headers, data=extra.get('data'), timeout=60).status_code)
    except requests.RequestException:
        answers.append(None)


def struck_within(bed, rnd, asked, strike):
    """It strikes while the device is at work, or has just been. The answer: a status, or None; and was there none yet?"""
    span = 0.02 + len(asked[2].get('data', b'')) / 60_000   # about as long as it takes
    answers = []
    worker = threading.Thread(target=ask, args=(bed, asked, answers))
    worker.start()
    time.sleep(rnd.random() * span)
    at_work = not answers
    strike()
    worker.join()
    return answers[0], at_work


def commit_one(bed, rnd, model):
    """A change that is answered well before the cut, and so must be there after it."""
    asked, change = random_op(bed, rnd, model.states[0])
    answers = []
    ask(bed, asked, answers)
    assert answers[0] in (201, 204), (asked[:2], answers)
    model.apply(change, 'done')


def read_all(bed):
    """What is there, or None while the daemon does not have the device again."""
    found, listed = {}, bed.http.get(file_url(bed))
    if listed.status_code == 503:
        return None
    assert listed.status_code == 200, listed.text
    for entry in listed.json()['entries']:
        found[entry['name']] = bed.http.get(file_url(bed, entry['name'])).content
    return [found]


@pytest.mark.parametrize('how', ['cut', 'reset'])
def test_what_was_committed_outlives_cuts_and_resets(kind, how, tmp_path):
    """Power that is cut, and a machine that is reset while the daemon's link stays as it is."""
    cuts, seed = int(os.environ.get('FP_CUTS', 5)), int(os.environ.get('FP_SEED', random.SystemRandom().randrange(1 << 32)))
    rnd, model, hits = random.Random(seed), Model(), 0
    print(f'FP_SEED={seed} FP_CUTS={cuts}')
    with Bed() as bed:
        board = start_board(bed, kind)
        for i in range(cuts):
            commit_one(bed, rnd, model)
            asked, change = random_op(bed, rnd, model.states[0])
            epoch = epoch_of(bed)
            status, at_work = struck_within(bed, rnd, asked, getattr(board, how))
            check_files(kind, tmp_path / 'flash.img', board.files())
            model.apply(change, 'done' if status in (201, 204) else 'open')
            model.history.append(f'{i} {asked[0]} {asked[1]} {len(asked[2].get("data", b""))} -> {status}')
            hits += at_work
            if how == 'cut':
                board.restart()
            anew(bed, epoch)
            model.settle(wait_for('its files', lambda: read_all(bed))[0])
    print(f'{kind.NAME}: {hits} of {cuts} came before the answer')


# ---- one board's own ----

class LargeAst1030Evb(Ast1030Evb):
    SIZE, CHIP = 32 << 20, 'w25q256'


class ForeignAst1030Evb(Ast1030Evb):
    SIZE, CHIP = 4 << 20, 'sst25vf032b'     # whose JEDEC id tells no size


@pytest.mark.parametrize('kind', kinds(LargeAst1030Evb))
def test_a_chip_above_16_mib_is_addressed_to_its_end(kind, tmp_path):
    """Nearly full, so that what is uploaded lies above what three bytes address."""
    filler, image = content(31 << 20), tmp_path / 'full.img'
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full' / 'filler').write_bytes(filler)
    subprocess.run([BIN / 'flashport', 'image', 'create', image, tmp_path / 'full', '--size', str(kind.SIZE)],
                   check=True, capture_output=True, timeout=120)
    with Bed() as bed:
        board = start_board(bed, kind, holds=image.read_bytes())
        upload(bed, 'f', content(3000, 2))
        assert bed.http.get(file_url(bed, 'f')).content == content(3000, 2)
        part = bed.http.get(file_url(bed, 'filler'), headers={'Range': 'bytes=30000000-30000999'})
        assert part.content == filler[30_000_000:30_001_000]
        board.save()
        assert board.files().find(content(3000, 2)) >= 16 << 20


@pytest.mark.parametrize('kind', kinds(ForeignAst1030Evb))
def test_without_a_chip_that_it_knows_it_serves_without_storage(kind):
    with Bed() as bed:
        start_board(bed, kind)
        device = bed.http.get(bed.api(f'/devices/{bed.device}')).json()
        assert device['storages'] == [] and device['volumes'] == []
