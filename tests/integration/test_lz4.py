# SPDX-License-Identifier: MIT
"""Files that are packed on the line: they arrive as they were, on good and bad
lines, over lost links, in snapshots and restores; what cannot be packed costs
nothing; and a device without LZ4 is served as ever.

That they were packed is seen from the bytes that the device's own counters say
went over the wire.
"""
import json
import random
import subprocess
import threading
import time

import pytest

from bed import BIN, Bed
from test_bad_input import liar

BAUD = 921600
SMALL = ('--frame', '1024', '--buffers', '2', '--lz4', '2048')
DEVICES = {'large': ('--frame', '4096'), 'small': SMALL, 'smallest': ('--frame', '640', '--buffers', '2', '--lz4', '256')}


def text(size, seed=1):
    """Records in JSON and lines of C, as configurations and sources are."""
    rnd, out = random.Random(seed), ''
    while len(out) < size:
        record = {'id': rnd.randrange(10000), 'name': rnd.choice(['valve', 'pump', 'heater']), 'limits': [rnd.randrange(100), rnd.random()]}
        out += json.dumps(record) + '\n'
        out += f'    if (state->{record["name"]}_{rnd.randrange(9)} > {record["id"]})\n        return FP_ERR_INVAL;\n'
    return out.encode()[:size]


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


def make_bed(*device, line=()):
    bed = Bed()
    bed.agent('dev', blocks=256, extra=device)
    bed.line('dev', BAUD, '--latency', 1, *line)
    bed.start_daemon()
    bed.online('dev')
    return bed


def file(bed, name):
    return bed.api(f'/devices/dev/fs/flash/{name}')


def wire(bed):
    """(bytes that came in, that went out) at the device."""
    said = bed.http.get(bed.api('/devices/dev/stats'))
    assert said.status_code == 200, said.text
    counters = said.json()['counters']
    return counters['link.rx_bytes'], counters['link.tx_bytes']


def told(bed, device='dev'):
    """What the API and the command line say of the line."""
    url, token = bed.url, bed.http.headers['Authorization'].split()[1]
    said = subprocess.run([BIN / 'flashport', 'devices', device, '--url', url, '--token', token], capture_output=True, text=True, check=True)
    return (bed.http.get(bed.api(f'/devices/{device}')).json()['link']['features'],
            next(line for line in said.stdout.splitlines() if line.startswith('link ')))


def there_and_back(bed, name, content):
    """Bytes on the wire for each byte of the file: up, down."""
    start = wire(bed)
    assert bed.http.put(file(bed, name), data=content).status_code in (201, 204)
    middle = wire(bed)
    assert bed.http.get(file(bed, name)).content == content
    end = wire(bed)
    return (middle[0] - start[0]) / len(content), (end[1] - middle[1]) / len(content)


@pytest.fixture(scope='module', params=DEVICES)
def bed(request):
    with make_bed(*DEVICES[request.param]) as made:
        made.kind = request.param
        yield made


def test_text_takes_less_than_its_bytes(bed):
    up, down = there_and_back(bed, 'text', text(200_000))
    most = 0.9 if bed.kind == 'smallest' else 0.6
    assert up < most and down < most


def test_what_cannot_be_packed_costs_nothing(bed):
    up, down = there_and_back(bed, 'noise', noise(100_000))
    # headers, acknowledgements and the requests for slices
    most = 1.1 if bed.kind == 'smallest' else 1.06
    assert up < most and down < most


@pytest.mark.parametrize('name, content', [
    ('both', text(20_000) + noise(5_000) + text(20_000) + bytes(9_000) + noise(700) + text(3_000, 2)),
    ('runs', b''.join(bytes([i % 7]) * (i * 37 % 3000) for i in range(100))),
    ('short', b'x'), ('twice', noise(1500) * 2), ('periods', b''.join(noise(n, n) * 9 for n in range(1, 60))),
])
def test_any_content_comes_back_as_it_was(bed, name, content):
    there_and_back(bed, name, content)


def test_files_side_by_side_share_the_window(bed):
    contents = [text(60_000, seed) for seed in range(4)]
    failed = []

    def run(i):
        try:
            there_and_back(bed, f'side{i}', contents[i])
        except AssertionError as error:
            failed.append(error)
    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(contents))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


@pytest.mark.parametrize('line', [('--flip', '1e-4'), ('--drop', '5e-5', '--dup', '5e-5', '--insert', '5e-5', '--burst', '1e-5')], ids=('flips', 'losses'))
def test_a_bad_line_damages_no_window(line):
    with make_bed(*SMALL, line=line) as bed:
        for i in range(3):
            there_and_back(bed, f'f{i}', text(60_000, i) + noise(5_000, i))


def test_an_upload_goes_on_behind_a_lost_link():
    content = text(800_000)
    with make_bed(*DEVICES['large']) as bed:
        line = bed.processes[1]
        answers = []
        upload = threading.Thread(target=lambda: answers.append(bed.http.put(file(bed, 'f'), data=content).status_code))
        upload.start()
        for _ in range(2):
            time.sleep(0.7)
            line.kill()
            line.restart()
        upload.join(60)
        assert answers == [201]
        assert bed.http.get(file(bed, 'f')).content == content


def test_a_download_goes_on_behind_a_lost_link():
    content = text(600_000)
    with make_bed(*SMALL) as bed:
        assert bed.http.put(file(bed, 'f'), data=content).status_code == 201
        with bed.http.get(file(bed, 'f'), stream=True) as reply:
            got = reply.raw.read(50_000)
            bed.processes[1].kill()
            bed.processes[1].restart()
            got += reply.raw.read()
        assert got == content


def test_a_snapshot_of_text_and_its_restore():
    content = text(150_000)
    with make_bed(*DEVICES['large']) as bed:
        assert bed.http.put(file(bed, 'f'), data=content).status_code == 201
        before = wire(bed)
        job = bed.backup('dev')
        assert job['state'] == 'done'
        assert (wire(bed)[1] - before[1]) / len(content) < 0.7
        image = bed.http.get(bed.api(f'/snapshots/{job["result"]["snapshot"]}/image')).content
        assert image == (bed.dir / 'dev.img').read_bytes()

        assert bed.http.put(file(bed, 'f'), data=noise(150_000)).status_code == 204
        before = wire(bed)
        restore = {'device': 'dev', 'storage': 'flash0'}
        done = bed.job(bed.http.post(bed.api(f'/snapshots/{job["result"]["snapshot"]}/restore'), json=restore))
        assert done['state'] == 'done', done
        assert (wire(bed)[0] - before[0]) / len(content) < 1.2
        assert bed.http.get(file(bed, 'f')).content == content


def test_a_device_without_it_is_served_as_ever():
    with make_bed('--lz4', 'off') as bed:
        up, down = there_and_back(bed, 'text', text(100_000))
        assert up > 1 and down > 1
        features, said = told(bed)
        assert 'whole_put' in features and not any('lz4' in feature for feature in features)
        assert said.endswith(' at 921600 baud'), said


def test_a_device_tells_that_its_line_packs():
    with make_bed() as bed:
        features, said = told(bed)
        assert {'lz4_in', 'lz4_out'} <= set(features)
        assert said.endswith(' at 921600 baud, LZ4 both ways'), said


def test_what_has_no_rate_is_not_packed():
    with Bed() as bed:
        bed.agent('honest', listen='unix')
        liar(bed, 'unasked', 'Packs')  # says that it packs, though nobody offered
        bed.start_daemon()
        for name in ('honest', 'unasked'):
            bed.online(name)
            features, said = told(bed, name)
            assert not any('lz4' in feature for feature in features) and 'LZ4' not in said


# --- devices that share no code with the daemon ------------------------------

BAD_BLOCKS = {
    'swells': "b'\\x1fx\\1\\0' + b'\\xff' * 900 + b'\\0\\x10.'", 'short': "b'\\x10.'", 'cut': "b'\\xf0\\xff'", 'nothing': "b'\\0'",
    'beyond': "b'\\x10x\\2\\0\\x10.'", 'zero': "b'\\x10x\\0\\0\\x10.'", 'ends': "b'\\x10x\\1\\0'", 'none': "b''",
}


def test_blocks_of_another_device_and_bad_ones():
    with Bed() as bed:
        liar(bed, 'good', 'Packs', listen='pty')
        liar(bed, 'unasked', 'Packs')  # a socket has no rate: nothing was offered
        for name, block in BAD_BLOCKS.items():
            liar(bed, name, 'Packs', block, listen='pty')
        bed.start_daemon()
        for name in ('good', 'unasked', *BAD_BLOCKS):
            bed.online(name)
        for name in ('unasked', *BAD_BLOCKS):
            done = subprocess.run(['curl', '-sS', '-m', '50', '-H', f'Authorization: {bed.http.headers["Authorization"]}',
                                   bed.api(f'/devices/{name}/fs/flash/file')], capture_output=True, timeout=60)
            assert done.returncode in (18, 56), (name, done)
        for _ in range(3):
            assert bed.http.get(bed.api('/devices/good/fs/flash/file'), timeout=60).content == bytes(range(256)) * 40
