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
import sys
import time

import requests

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'tools'))
from bed import Bed  # noqa: E402

FS = '/devices/bench/fs/flash'


def make_bed(timing, baud, latency_ms, flip):
    """An agent named bench, a line, and a daemon."""
    bed = Bed()
    bed.agent('bench', blocks=1024, timing=timing)
    bed.line('bench', baud, '--latency', latency_ms, '--flip', flip)
    bed.start_daemon()
    bed.online('bench')
    return bed


def flash_us(bed):
    counters = bed.http.get(bed.api('/devices/bench/stats')).json()['counters']
    return sum(value for name, value in counters.items() if name.startswith('flash0.') and name.endswith('_us'))


def goodput(bed, size, baud):
    """One PUT and one GET of random bytes: shares of the line rate up and down, and of the PUT's time that flash worked."""
    content, rate, before = os.urandom(size), baud / 10, flash_us(bed)
    start = time.monotonic()
    reply = bed.http.put(bed.api(f'{FS}/big'), data=content)
    up = time.monotonic() - start
    assert reply.status_code in (201, 204), reply.text
    flash = (flash_us(bed) - before) / 1e6 / up
    start = time.monotonic()
    back = bed.http.get(bed.api(f'{FS}/big')).content
    down = time.monotonic() - start
    assert hashlib.sha256(back).digest() == hashlib.sha256(content).digest(), 'wrong bytes came back'
    return size / up / rate, size / down / rate, flash


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
            assert session.get(bed.api(f'{FS}/small')).content == b's' * 512
            if not busy.done():
                times.append((time.monotonic() - start) * 1000)
            time.sleep(0.05)
        busy.result()
    return max(times), len(times)


def snapshot(bed):
    job = bed.backup('bench')
    assert job['state'] == 'done', job


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--runs', type=int, default=3)
    p.add_argument('--size', type=int, default=1 << 20)
    p.add_argument('--baud', type=int, default=921600)
    args = p.parse_args()
    print(f'{args.size} random bytes at {args.baud} baud, 8N1: share of {args.baud // 10} B/s, median of {args.runs}\n')
    print(f'{"timing":8} {"latency":>8} {"damaged":>8} {"up":>7} {"down":>7}   flash at work during the PUT')
    for timing in ('none', 'nor'):
        for latency in (0, 1):
            for flip in (0, 1e-5):
                bed = make_bed(timing, args.baud, latency, flip)
                runs = [goodput(bed, args.size, args.baud) for _ in range(args.runs)]
                bed.close()
                up, down, flash = (statistics.median(r[i] for r in runs) for i in range(3))
                print(f'{timing:8} {latency:>5} ms {flip:>8g} {up:7.3f} {down:7.3f}   {flash:.0%}', flush=True)
    print('\na small GET (512 bytes) while something large runs, slowest of all, in ms')
    bed = make_bed('nor', args.baud, 1, 0)
    bed.http.put(bed.api(f'{FS}/small'), data=b's' * 512)
    content = os.urandom(args.size)
    for name, large in (('PUT', lambda: bed.http.put(bed.api(f'{FS}/big'), data=content)),
                        ('GET', lambda: bed.http.get(bed.api(f'{FS}/big'))), ('snapshot', lambda: snapshot(bed))):
        worst, count = small_during(bed, large)
        print(f'during a {name:9} {worst:7.0f}   of {count}', flush=True)
    bed.close()


if __name__ == '__main__':
    main()
