# SPDX-License-Identifier: MIT
"""How fast files travel over a serial line: goodput as a share of the line rate.

The real daemon and the real agent, joined by the line simulator at a real baud rate with latency and damaged bytes;
zmodem (lrzsz) over the same simulator in the same run. Every transfer is compared by hash. A ratio is against a
physical limit, the line's own rate, so a noisy machine shows as a smaller number, never as a larger one.

usage: ./dev bench link [--baud N] [--device posix|small|nor] [--runs N] [--size BYTES] [--quick] [--no-zmodem] [--side-by-side N]
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import requests

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'tools'))
from bed import BIN, Bed  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
FS = '/devices/bench/fs/flash'
FILES, FILE_SIZE = 50, 200
# what the agent is: its frames and buffers, and how long its flash takes
DEVICES = {
    'posix': ('none', ('--frame', 4096)),
    'small': ('none', ('--frame', 1024, '--buffers', 2)),
    'nor': ('nor', ('--frame', 4096)),
}
LINES = [(latency, flip) for latency in (0, 1) for flip in (0, 1e-5, 1e-4)]
# least shares of the line at 921,600 baud with 1 ms each way: random bytes, either way
GOALS = {'posix': {0: 0.98, 1e-5: 0.96, 1e-4: 0.85}, 'small': {0: 0.96, 1e-5: 0.95, 1e-4: 0.80}}
TEXT_GOAL, FILES_GOAL = 1.8, 2  # text in shares of the line; files a second beside zmodem's


def sources():
    """Text as firmware projects have it: half JSON, half C."""
    pick = random.Random(6)
    rows = [{'sensor': f'probe-{pick.randrange(40):02d}', 'unix_ms': 1700000000000 + i * 250, 'value': round(pick.gauss(21, 4), 3),
             'unit': 'celsius', 'ok': pick.random() > 0.02} for i in range(6000)]
    return json.dumps(rows).encode(), b''.join(p.read_bytes() for p in sorted(ROOT.glob('[cdp]*/**/*.c')))


def contents(size):
    """(name, bytes) of what is sent."""
    log, code = sources()
    half = size // 2
    assert len(log) >= half and len(code) >= half, 'not that much text here'
    return [('random', random.Random(1).randbytes(size)), ('text', log[:half] + code[:half])]


def small_files():
    return {f'f{i:03d}': random.Random(i).randbytes(FILE_SIZE) for i in range(FILES)}


def make_bed(device, baud, latency_ms, flip):
    """An agent named bench, a line, and a daemon."""
    timing, options = DEVICES[device]
    bed = Bed()
    bed.agent('bench', blocks=1024, timing=timing, extra=options)
    bed.line('bench', baud, '--latency', latency_ms, '--flip', flip)
    bed.start_daemon()
    bed.online('bench', 60)
    return bed


def device_us(bed):
    """What the device spent on flash, on hashing, and waiting for the line, in microseconds."""
    counters = bed.http.get(bed.api('/devices/bench/stats')).json()['counters']
    flash = sum(value for name, value in counters.items() if name.startswith('flash0.') and name.endswith('_us'))
    return {'flash': flash, 'hash': counters['agent.hash_us'], 'line': counters['agent.wait_us']}


def timed(work):
    start = time.monotonic()
    result = work()
    return time.monotonic() - start, result


def check(same, what):
    if not same:
        sys.exit(f'bench: wrong bytes came back: {what}')


def goodput(bed, content, rate):
    """One PUT and one GET: shares of the line up and down, and what the PUT's time went to on the device."""
    bed.http.delete(bed.api(f'{FS}/big'))
    before = device_us(bed)
    up, reply = timed(lambda: bed.http.put(bed.api(f'{FS}/big'), data=content))
    assert reply.status_code in (201, 204), reply.text
    spent = {name: (us - before[name]) / 1e6 / up for name, us in device_us(bed).items()}
    down, back = timed(lambda: bed.http.get(bed.api(f'{FS}/big')).content)
    check(hashlib.sha256(back).digest() == hashlib.sha256(content).digest(), 'a file')
    return len(content) / up / rate, len(content) / down / rate, spent


def each_file(bed, work):
    """work(session, name, content) for all small files, as many at once as a CI job would."""
    def one(pair):
        session = requests.Session()
        session.headers = bed.http.headers
        return [work(session, name, content) for name, content in pair]
    todo = list(small_files().items())
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        return sum(pool.map(one, [todo[i::10] for i in range(10)]), [])


def files_a_second(bed):
    def put(session, name, content):
        return session.put(bed.api(f'{FS}/{name}'), data=content).status_code == 201

    def get(session, name, content):
        return session.get(bed.api(f'{FS}/{name}')).content == content
    for name in small_files():
        bed.http.delete(bed.api(f'{FS}/{name}'))
    up, fine = timed(lambda: each_file(bed, put))
    check(all(fine), 'small files were refused')
    down, fine = timed(lambda: each_file(bed, get))
    check(all(fine), 'small files')
    return FILES / up, FILES / down


def zmodem(baud, latency_ms, flip, files):
    """Seconds that the line was at work for sz and rz to carry `files`; None: it gave up."""
    with tempfile.TemporaryDirectory(prefix='fp-') as folder:
        here, there = pathlib.Path(folder, 'from'), pathlib.Path(folder, 'to')
        here.mkdir()
        there.mkdir()
        for name, content in files.items():
            (here / name).write_bytes(content)
        line = subprocess.run([BIN / 'linksim', '--baud', str(baud), '--latency', str(latency_ms), '--flip', str(flip), '--quiet',
                               '--time', str(300 + 60 * sum(map(len, files.values())) * 10 // baud),
                               '--stats', pathlib.Path(folder, 'stats'), f'exec:cd {here} && sz -b -q *', f'exec:cd {there} && rz -b -q -y'],
                              capture_output=True, text=True)
        assert line.returncode == 0, line.stderr
        stats = json.loads(pathlib.Path(folder, 'stats').read_text())
        same = all((there / n).exists() and (there / n).read_bytes() == c for n, c in files.items())
        return stats['a2b']['active_s'] if same else None


def share(value, goal=None):
    if value is None:
        return '  gave up'
    return f'{value:8.3f}' + ('*' if goal and value < goal else ' ')


def rate_of(value, goal=None):
    return '  gave up' if value is None else f'{value:8.0f}' + ('*' if goal and value < goal else ' ')


class Row:
    """One line of the table."""

    def __init__(self, device, baud, latency, flip, args):
        self.device, self.baud, self.latency, self.flip, self.args = device, baud, latency, flip, args

    def measure(self):
        rate = self.baud / 10
        if self.device == 'zmodem':
            figures = []
            for _, content in contents(self.args.size):
                seconds = zmodem(self.baud, self.latency, self.flip, {'big': content})
                figures += [seconds and len(content) / seconds / rate] * 2
            seconds = zmodem(self.baud, self.latency, self.flip, small_files())
            self.figures, self.spent = figures + [seconds and FILES / seconds] * 2, {}
            return self
        bed = make_bed(self.device, self.baud, self.latency, self.flip)
        runs = []
        for _ in range(self.args.runs):
            both = [goodput(bed, content, rate) for _, content in contents(self.args.size)]
            runs.append((both[0][0], both[0][1], both[1][0], both[1][1], *files_a_second(bed), both[0][2]))
        bed.close()
        self.figures, self.spent = [statistics.median(run[i] for run in runs) for i in range(6)], runs[0][6]
        return self

    def show(self, peers):
        goal = text = None
        files = None
        if (self.baud, self.latency) == (921600, 1) and self.device in GOALS:
            goal = GOALS[self.device][self.flip]
            if self.flip == 0:
                text = TEXT_GOAL if self.device == 'posix' else None
                files = peers.get((self.baud, self.latency, self.flip))
                files = files and FILES_GOAL * files
        f = self.figures
        missed = sum(v is not None and g is not None and v < g for v, g in zip(f, (goal, goal, text, text, files, files)))
        limit = ', '.join(f'{name} {part:.0%}' for name, part in sorted(self.spent.items(), key=lambda p: -p[1]))
        print(f'{self.baud:>8} {self.latency:>3} ms {self.flip:>7g}  {self.device:7}{share(f[0], goal)}{share(f[1], goal)}'
              f'{share(f[2], text)}{share(f[3], text)}{rate_of(f[4], files)}{rate_of(f[5], files)}  {limit}', flush=True)
        return missed


def table(args):
    """Lines are measured side by side, the faster the fewer: each needs little of a CPU."""
    print(f'shares of the line (baud / 10 bytes a second) for {args.size} bytes, and files a second of {FILES} of {FILE_SIZE} bytes;\n'
          'zmodem: sz to rz, the time the line was at work; * misses its goal\n')
    print(f'{"baud":>8} {"way":>6} {"damaged":>7}  {"device":7}{"random up":>9}{"down":>9}{"text up":>9}{"down":>9}{"files up":>9}{"down":>9}  what random up waits for')
    missed, peers = 0, {}
    devices = ['zmodem'] * (not args.no_zmodem) + ([args.device] if args.device else list(DEVICES))
    for baud in [args.baud] if args.baud else (921600, 3000000, 115200):
        rows = [Row(d, baud, *line, args) for line in LINES if not args.quick or line[0] == 1 for d in devices]
        with concurrent.futures.ThreadPoolExecutor(args.side_by_side or max(1, min(8, 2000000 // baud))) as pool:
            for row in pool.map(Row.measure, rows):
                if row.device == 'zmodem':
                    peers[row.baud, row.latency, row.flip] = row.figures[4]
                missed += row.show(peers)
    return missed


def small_during(bed, large):
    """The slowest of many small GETs while `large` runs, in milliseconds."""
    times = []
    session = requests.Session()
    session.headers = bed.http.headers
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        busy = pool.submit(large)
        time.sleep(0.5)
        while not busy.done():
            took, reply = timed(lambda: session.get(bed.api(f'{FS}/small')))
            assert reply.content == b's' * 512
            if not busy.done():
                times.append(took * 1000)
            time.sleep(0.05)
        busy.result()
    return max(times), len(times)


def latency(args):
    print('\na small GET (512 bytes) at 921600 baud, 1 ms each way, flash as nor, while something large runs: slowest of all, in ms')
    bed = make_bed('nor', 921600, 1, 0)
    bed.http.put(bed.api(f'{FS}/small'), data=b's' * 512)
    content = os.urandom(args.size)

    def snapshot():
        job = bed.backup('bench')
        assert job['state'] == 'done', job
    for name, large in (('PUT', lambda: bed.http.put(bed.api(f'{FS}/big'), data=content)),
                        ('GET', lambda: bed.http.get(bed.api(f'{FS}/big'))), ('snapshot', snapshot)):
        worst, count = small_during(bed, large)
        print(f'during a {name:9} {worst:7.0f}   of {count}', flush=True)
    bed.close()


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--runs', type=int, default=1)
    p.add_argument('--size', type=int, default=1 << 20)
    p.add_argument('--baud', type=int)
    p.add_argument('--device', choices=DEVICES)
    p.add_argument('--quick', action='store_true', help='only lines with 1 ms each way')
    p.add_argument('--no-zmodem', action='store_true')
    p.add_argument('--side-by-side', type=int, metavar='N', help='lines measured at once (2 at 921600 baud, 8 at 115200, 1 at 3000000)')
    args = p.parse_args()
    assert args.no_zmodem or shutil.which('sz'), 'lrzsz is not installed'
    missed = table(args)
    latency(args)
    print(f'\n{missed} goals missed')


if __name__ == '__main__':
    main()
