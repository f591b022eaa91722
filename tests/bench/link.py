# SPDX-License-Identifier: MIT
"""How fast files travel over a serial line: goodput as a share of the line rate.

The real daemon and the real agent, joined by the line simulator at a real baud
rate with latency and damaged bytes. Each transfer is compared byte for byte.
The ratio is against a physical limit, the line's own rate, so a noisy machine
shows as a smaller number, never as a larger one.

usage: ./dev bench link [--runs N] [--size BYTES] [--baud N]
"""
import argparse
import concurrent.futures
import hashlib
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import requests

BIN = pathlib.Path(os.environ['FP_BIN'])


class Bed:
    """A daemon, an agent and a line between them."""

    def __init__(self, timing, baud, latency_ms, flip):
        self.dir = tempfile.TemporaryDirectory(prefix='fp-bench-')
        d = self.dir.name
        self.children = []
        self.start('flashport-agent', '--id', 'bench', '--storage', f'flash0={d}/flash.img,block=4096,count=1024,prog=256',
                   '--mount', '/flash=flash0:littlefs', '--format', 'littlefs', '--timing', timing, '--listen', f'pty:{d}/agent.tty')
        self.wait(lambda: os.path.exists(f'{d}/agent.tty'))
        self.start('linksim', '--baud', str(baud), '--latency', str(latency_ms), '--flip', str(flip), '--quiet',
                   f'tty:{d}/agent.tty', f'pty:{d}/line.tty')
        self.wait(lambda: os.path.exists(f'{d}/line.tty'))
        daemon = self.start('flashportd', '--data', f'{d}/store', '--listen', '127.0.0.1:0', '--link',
                            f'serial:{d}/line.tty@{baud}', stdout=subprocess.PIPE, text=True)
        for line in daemon.stdout:
            if 'token=' in line:
                self.url, token = line.split()[-1].split('/?token=')
                break
        self.http = requests.Session()
        self.http.headers['Authorization'] = f'Bearer {token}'
        self.api = f'{self.url}/api/v1/devices/bench'
        self.wait(lambda: self.http.get(self.api).status_code == 200 and self.http.get(self.api).json()['state'] == 'online')

    def start(self, program, *args, **kwargs):
        kwargs.setdefault('stdout', subprocess.DEVNULL)
        child = subprocess.Popen([BIN / program, *args], stderr=subprocess.DEVNULL, **kwargs)
        self.children.append(child)
        return child

    @staticmethod
    def wait(ready):
        for _ in range(400):
            if ready():
                return
            time.sleep(0.05)
        raise SystemExit('the bed did not come up')

    def close(self):
        for child in reversed(self.children):
            child.terminate()
            child.wait()
        self.dir.cleanup()


def goodput(bed, size, baud):
    """One PUT and one GET of random bytes: shares of the line rate, up and down."""
    content, rate = os.urandom(size), baud / 10
    start = time.monotonic()
    reply = bed.http.put(f'{bed.api}/fs/flash/big', data=content)
    up = time.monotonic() - start
    assert reply.status_code in (201, 204), reply.text
    start = time.monotonic()
    back = bed.http.get(f'{bed.api}/fs/flash/big').content
    down = time.monotonic() - start
    assert hashlib.sha256(back).digest() == hashlib.sha256(content).digest(), 'wrong bytes came back'
    return size / up / rate, size / down / rate


def small_during(bed, large):
    """The slowest of many small GETs while `large` runs, in milliseconds."""
    times = []
    session = requests.Session()
    session.headers = bed.http.headers
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        busy = pool.submit(large)
        time.sleep(0.5)
        while not busy.done():
            start = time.monotonic()
            assert session.get(f'{bed.api}/fs/flash/small').content == b's' * 512
            if not busy.done():
                times.append((time.monotonic() - start) * 1000)
            time.sleep(0.05)
        busy.result()
    return max(times), len(times)


def snapshot(bed):
    job = bed.http.post(f'{bed.url}/api/v1/snapshots', json={'device': 'bench', 'storage': 'flash0'}).json()
    while True:
        state = bed.http.get(f'{bed.url}/api/v1/jobs/{job["id"]}').json()
        if state['state'] in ('done', 'failed', 'cancelled'):
            assert state['state'] == 'done', state
            return
        time.sleep(0.1)


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--runs', type=int, default=3)
    p.add_argument('--size', type=int, default=1 << 20)
    p.add_argument('--baud', type=int, default=921600)
    args = p.parse_args()
    print(f'{args.size} random bytes at {args.baud} baud, 8N1: share of {args.baud // 10} B/s, median of {args.runs}\n')
    print(f'{"timing":8} {"latency":>8} {"damaged":>8} {"up":>7} {"down":>7}')
    for timing in ('none', 'nor'):
        for latency in (0, 1):
            for flip in (0, 1e-5):
                bed = Bed(timing, args.baud, latency, flip)
                runs = [goodput(bed, args.size, args.baud) for _ in range(args.runs)]
                bed.close()
                up, down = (statistics.median(r[i] for r in runs) for i in (0, 1))
                print(f'{timing:8} {latency:>5} ms {flip:>8g} {up:7.3f} {down:7.3f}', flush=True)
    print('\na small GET (512 bytes) while something large runs, slowest of all, in ms')
    bed = Bed('nor', args.baud, 1, 0)
    bed.http.put(f'{bed.api}/fs/flash/small', data=b's' * 512)
    content = os.urandom(args.size)
    for name, large in (('PUT', lambda: bed.http.put(f'{bed.api}/fs/flash/big', data=content)),
                        ('GET', lambda: bed.http.get(f'{bed.api}/fs/flash/big')), ('snapshot', lambda: snapshot(bed))):
        worst, count = small_during(bed, large)
        print(f'during a {name:9} {worst:7.0f}   of {count}', flush=True)
    bed.close()


if __name__ == '__main__':
    main()
