# SPDX-License-Identifier: MIT
"""Whatever is killed, and whenever: files old or new, the store whole.

The agent (as a power cut would), the daemon or the line is killed at random
moments of uploads, renames, deletes and snapshots. FP_KILLS sets how often
(200), FP_SEED the seed, which is printed.
"""
import json
import os
import pathlib
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
import requests

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'tools'))
from bed import BIN, Bed, wait_for  # noqa: E402

TOOLS = pathlib.Path(__file__).resolve().parent.parent / 'tools'
NAMES = [f'/flash/{d}{n}' for d in ('', 'dir/') for n in ('a', 'b', 'c')]


class Model:
    """What each file may hold: one content when it is known, more when a kill left it open."""

    def __init__(self):
        self.states = [{}]          # each a dict name -> content; the truth is one of them
        self.history = []           # what was done, for whoever reads a failure

    def apply(self, change, known):
        after = [change(dict(s)) for s in self.states]
        self.states = after if known == 'done' else self.states if known == 'refused' else self.states + after

    def settle(self, found, keep=lambda: None):
        if found not in self.states:
            keep()
            sizes = [{k: len(v) for k, v in s.items()} for s in (found, *self.states)]
            pytest.fail('\n'.join(['the files are neither the old nor the new ones:', f'found {sizes[0]}', *map(str, sizes[1:]),
                                   'after', *self.history[-12:]]))
        self.states = [found]


def put(name, content):
    def change(files):
        files[name] = content
        return files
    return ('PUT', name, {'data': content}, change)


def rename(a, b):
    def change(files):
        if a in files:
            files[b] = files.pop(a)
        return files
    return ('MOVE', a, {'headers': {'Destination': f'/api/v1/devices/dev/fs{b}'}}, change)


def delete(name):
    def change(files):
        files.pop(name, None)
        return files
    return ('DELETE', name, {}, change)


def random_op(rnd, files):
    kind = rnd.choice('pppprd') if files else 'p'
    if kind == 'p':
        return put(rnd.choice(NAMES), rnd.randbytes(rnd.choice((0, 40, 700, 9000, 30000))))
    if kind == 'r':
        a, b = rnd.choice(sorted(files)), rnd.choice(NAMES)
        return rename(a, b) if a != b else delete(a)
    return delete(rnd.choice(sorted(files)))


def get(bed, path):
    """GET that goes on after a 503, as Retry-After asks: the daemon may not have noticed the kill yet."""
    def answered():
        reply = bed.http.get(bed.api(f'/devices/dev/fs{path}'))
        return None if reply.status_code == 503 else reply
    reply = wait_for(path, answered, 60)
    assert reply.status_code == 200, reply.text
    return reply


def read_all(bed):
    found = {}
    for folder in ('/flash/', '/flash/dir/'):
        for entry in get(bed, folder).json()['entries']:
            if entry['type'] == 'file':
                found[folder + entry['name']] = get(bed, folder + entry['name']).content
    return found


def ask(bed, op, answers):
    method, name, extra, _ = op
    try:
        reply = requests.request(method, bed.api(f'/devices/dev/fs{name}'), timeout=60,
                                 headers={**bed.http.headers, **extra.get('headers', {})}, data=extra.get('data'))
        answers.append(reply.status_code)
    except requests.RequestException:
        answers.append(None)        # nobody was told anything


def snapshot_quietly(bed):
    try:
        requests.post(bed.api('/snapshots'), json={'device': 'dev', 'storage': 'flash0'}, headers=dict(bed.http.headers), timeout=60)
    except requests.RequestException:
        pass


def check_image(image):
    """The flash as it is, by the independent checker: nothing that a power cut may not leave."""
    done = subprocess.run([sys.executable, TOOLS / 'littlefs_check.py', image, '--block-size', '4096', '--prog-size', '256', '--json'],
                          capture_output=True, timeout=120)
    report = json.loads(done.stdout)
    assert report['unreadable'] is None and done.returncode == 0, report['findings']


def test_kills_at_random_moments(tmp_path):
    kills, seed = int(os.environ.get('FP_KILLS', 200)), int(os.environ.get('FP_SEED', random.SystemRandom().randrange(1 << 32)))
    rnd, model, counts = random.Random(seed), Model(), {}
    print(f'FP_SEED={seed} FP_KILLS={kills}')
    with Bed() as bed:
        agent, line = bed.agent('dev', blocks=128, timing='nor'), bed.line('dev', 921600)
        bed.agent('spare', blocks=128, listen='unix')
        daemon = bed.start_daemon()
        bed.online('dev')
        assert bed.http.request('MKCOL', bed.api('/devices/dev/fs/flash/dir/')).status_code == 201
        for i in range(kills):
            op, answers = random_op(rnd, model.states[0]), []
            if rnd.random() < 0.2:
                snapshot_quietly(bed)
            worker = threading.Thread(target=ask, args=(bed, op, answers))
            worker.start()
            time.sleep(rnd.random() * rnd.choice((0.02, 0.15, 0.6)))
            victim = rnd.choice(('agent', 'agent', 'daemon', 'line'))
            counts[victim] = counts.get(victim, 0) + 1
            kill_and_restart(bed, victim, agent, daemon, line)
            worker.join()
            status = answers[0]
            model.apply(op[3], 'done' if status and status < 300 else 'refused' if status in (404, 409, 412, 507) else 'open')
            bed.online('dev', 60)
            model.history.append(f'{i} {op[0]} {op[1]} {len(op[2].get("data", b""))} {op[2].get("headers", "")} -> {status}, '
                                 f'{victim} killed')
            model.settle(read_all(bed), lambda: keep(bed, tmp_path))
            if i % 20 == 0:
                shutil.copy(bed.dir / 'dev.img', tmp_path / 'now.img')
                check_image(tmp_path / 'now.img')
        print('killed:', counts)
        check_snapshots(bed, tmp_path)
        bed.daemon.stop()
        for name in ('store.db', 'meta.db'):
            with sqlite3.connect(bed.dir / 'store' / name) as db:
                assert db.execute('PRAGMA integrity_check').fetchall() == [('ok',)]
        agent.stop()
        check_image(bed.dir / 'dev.img')


def keep(bed, folder):
    """What whoever looks into a failure wants to see."""
    for file in (*bed.dir.glob('*.log'), *bed.dir.glob('*.img')):
        shutil.copy(file, folder)


def kill_and_restart(bed, victim, agent, daemon, line):
    if victim == 'daemon':
        daemon.kill()
        bed.restart_daemon()
    elif victim == 'line':
        line.kill()
        line.restart()
    else:
        # The line sees the port go with the device, as USB does.
        agent.kill()
        line.kill()
        agent.restart()
        line.restart()


def check_snapshots(bed, tmp_path):
    """Every listed snapshot is whole, and restores bit for bit onto another device."""
    bed.online('dev')
    assert bed.backup('dev')['state'] == 'done'
    listed = bed.http.get(bed.api('/snapshots?limit=1000')).json()['snapshots']
    assert listed
    for snapshot in listed:
        image = bed.http.get(bed.api(f'/snapshots/{snapshot["id"]}/image'))
        assert image.status_code == 200 and len(image.content) == snapshot['size'] and snapshot['complete']
        path = tmp_path / 'snapshot.img'
        path.write_bytes(image.content)
        check_image(path)
        job = bed.job(bed.http.post(bed.api(f'/snapshots/{snapshot["id"]}/restore'), json={'device': 'spare', 'storage': 'flash0'}))
        assert job['state'] == 'done', job
        assert (bed.dir / 'spare.img').read_bytes() == image.content
    print('snapshots restored bit for bit:', len(listed))


def test_kill_is_seen_by_this_test(tmp_path):
    """The model notices a file that is neither old nor new."""
    model = Model()
    model.apply(put('/flash/a', b'old')[3], 'done')
    model.apply(put('/flash/a', b'new')[3], 'open')
    with pytest.raises(pytest.fail.Exception):
        model.settle({'/flash/a': b'ne'})
    model.settle({'/flash/a': b'new'})
    assert BIN.exists()
