# SPDX-License-Identifier: MIT
"""Files and images over a line that damages, drops, doubles and inserts bytes, and is cut every 30 s: no wrong byte.

Four clients put, get, list and delete files of their own at once, a fifth takes snapshots. A request may fail while
the line is away; then its file is the old one or the new one. Whatever answers 200 is compared byte for byte, and at
the end every file, and a last snapshot against the flash itself.

usage: ./dev soak link      FP_SOAK_SECONDS (1200), FP_SEED
"""
import os
import pathlib
import random
import sys
import threading
import time

import requests

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from bed import Bed  # noqa: E402

SECONDS = int(os.environ.get('FP_SOAK_SECONDS', 1200))
SEED = int(os.environ.get('FP_SEED', time.time()))
BAUD, CUT_EVERY, CUT_FOR = 921600, 30, 0.5
FAULTS = ('--flip', 1e-4, '--drop', 1e-5, '--dup', 1e-5, '--insert', 1e-5, '--burst', 1e-6, '--noise', 1e-6)
FS = '/devices/soak/fs/flash'
GONE = None     # what a name holds that is no file


class Count:
    def __init__(self):
        self.lock, self.done, self.failed, self.bytes, self.wrong = threading.Lock(), 0, 0, 0, []

    def add(self, done=0, failed=0, size=0):
        with self.lock:
            self.done, self.failed, self.bytes = self.done + done, self.failed + failed, self.bytes + size

    def is_wrong(self, what):
        with self.lock:
            self.wrong.append(what)


class Client:
    """One that owns four names; may[name] lists the contents that it may have."""

    def __init__(self, bed, number, count):
        self.bed, self.pick, self.count = bed, random.Random(SEED * 100 + number), count
        self.http = requests.Session()
        self.http.headers = bed.http.headers
        self.may = {f'c{number}-{i}': [GONE] for i in range(4)}

    def ask(self, verb, path, **options):
        """The answer, or None when the line was away."""
        try:
            reply = self.http.request(verb, self.bed.api(path), timeout=120, **options)
        except requests.RequestException:
            reply = None
        if reply is None or reply.status_code >= 500:
            self.count.add(failed=1)
            return None
        self.count.add(done=1)
        return reply

    def content(self):
        size = self.pick.choice((0, 1, 200, 3000, 40000, 150000))
        if self.pick.random() < 0.3:
            return b'%d: a line of text, again and again\n' % self.pick.randrange(9) * (size // 36)
        return self.pick.randbytes(size)

    def put(self, name):
        content = self.content()
        reply = self.ask('PUT', f'{FS}/{name}', data=content)
        landed = reply is not None and reply.status_code in (201, 204)
        if reply is not None and not landed:
            self.count.is_wrong(f'PUT {name}: {reply.status_code} {reply.text}')
        self.may[name] = [content] if landed else self.may[name] + [content]
        self.count.add(size=len(content) * landed)

    def delete(self, name):
        reply = self.ask('DELETE', f'{FS}/{name}')
        self.may[name] = [GONE] if reply is not None else self.may[name] + [GONE]

    def get(self, name):
        reply = self.ask('GET', f'{FS}/{name}')
        if reply is None:
            return False
        if len(reply.content) != int(reply.headers['Content-Length']):
            self.count.add(done=-1, failed=1)   # broken off, which its reader sees
            return False
        found = GONE if reply.status_code == 404 else reply.content
        if reply.status_code not in (200, 404) or found not in self.may[name]:
            self.count.is_wrong(f'GET {name}: {reply.status_code}, {len(reply.content)} bytes that nobody wrote there')
        self.may[name] = [found]
        self.count.add(size=len(reply.content))
        return True

    def run(self, until):
        while time.monotonic() < until and not self.count.wrong:
            name = self.pick.choice(list(self.may))
            self.pick.choice((self.put, self.put, self.get, self.get, self.get, self.delete))(name)

    def look(self):
        """At the end, with the line whole: every file."""
        for name in self.may:
            while not self.get(name):
                time.sleep(1)


def take_snapshots(bed, until, count):
    while time.monotonic() < until and not count.wrong:
        try:
            job = bed.backup('soak')
            count.add(done=job['state'] == 'done', failed=job['state'] != 'done')
        except (requests.RequestException, AssertionError, TimeoutError):
            count.add(failed=1)
        time.sleep(20)


def cut(line, until, count):
    cuts = 0
    while time.monotonic() + CUT_EVERY < until and not count.wrong:
        time.sleep(CUT_EVERY)
        line.kill()
        time.sleep(CUT_FOR)
        line.restart()
        cuts += 1
    return cuts


def last_snapshot(bed, count):
    job = bed.backup('soak')
    snapshot = job['result']['snapshot']
    image = bed.http.get(bed.api(f'/snapshots/{snapshot}/image')).content
    if image != (bed.dir / 'soak.img').read_bytes():
        count.is_wrong('the last snapshot is not the flash')


def main():
    print(f'{SECONDS} s, seed {SEED}, {BAUD} baud, faults a byte: {" ".join(map(str, FAULTS))}, cut every {CUT_EVERY} s', flush=True)
    bed, count = Bed(), Count()
    bed.agent('soak', blocks=512)
    line = bed.line('soak', BAUD, '--latency', 1, *FAULTS)
    bed.start_daemon()
    bed.online('soak', 60)
    until = time.monotonic() + SECONDS
    clients = [Client(bed, i, count) for i in range(4)]
    threads = [threading.Thread(target=c.run, args=(until,)) for c in clients]
    threads.append(threading.Thread(target=take_snapshots, args=(bed, until, count)))
    for thread in threads:
        thread.start()
    cuts = cut(line, until, count)
    for thread in threads:
        thread.join()
    bed.online('soak', 60)
    for client in clients:
        client.look()
    last_snapshot(bed, count)
    bed.close()
    print(f'{count.done} requests answered, {count.failed} while the line was away, {cuts} cuts, {count.bytes} bytes compared, '
          f'{len(count.wrong)} wrong')
    for what in count.wrong:
        print(f'  {what}')
    sys.exit(bool(count.wrong))


if __name__ == '__main__':
    main()
