# SPDX-License-Identifier: MIT
"""The shell as a newcomer meets it: `flashport` against a daemon with one
device, `harbour`, that goes away and comes back.

Exit codes are those of `flashport --help`.
"""
import json
import os
import re
import signal
import subprocess

import pytest

from bed import BIN, Bed, wait_for
from conftest import add_agent


class Shell:
    """shell(*args) runs flashport to its end; shell.start(*args) leaves it running."""

    def __init__(self, bed):
        self.bed, self.agent = bed, add_agent(bed, 'harbour', 'unix', blocks=64)
        bed.start_daemon()
        bed.online('harbour')
        self.env = {**os.environ, 'FLASHPORT_URL': bed.url, 'FLASHPORT_TOKEN': bed.http.headers['Authorization'].split()[1],
                    'FLASHPORT_SOCKET': '', 'LC_ALL': 'C.UTF-8'}
        self.count = 0

    def __call__(self, *args, code=0, **env):
        done = subprocess.run([BIN / 'flashport', *map(str, args)], capture_output=True, timeout=60, env={**self.env, **env},
                              stdin=subprocess.DEVNULL)
        assert done.returncode == code, (args, done.returncode, done.stdout[-500:], done.stderr[-2000:])
        done.out, done.err = done.stdout.decode(), done.stderr.decode()
        assert code == 0 or done.err.startswith('flashport: '), done.err
        assert not re.search(r'\b(GET|POST|PATCH|PUT|DELETE) |Bearer|\.[.;]', done.err), f'no advice for the shell: {done.err}'
        return done

    def start(self, *args):
        """A running flashport; .said() is its stderr so far."""
        self.count += 1
        path = self.bed.dir / f'shell{self.count}.err'
        with open(path, 'wb') as err:
            child = subprocess.Popen([BIN / 'flashport', *args], stdout=subprocess.PIPE, stderr=err, env=self.env, stdin=subprocess.DEVNULL)
        child.said = path.read_text
        return child

    def state(self):
        return self.bed.http.get(self.bed.api('/devices/harbour')).json()['state']

    def unplug(self):
        self.agent.kill()
        wait_for('the loss', lambda: self.state() != 'online')

    def plug(self):
        (self.bed.dir / 'harbour.unix').unlink(missing_ok=True)
        self.agent.start()
        self.bed.online('harbour')

    def jobs(self, state):
        return [j for j in self.bed.http.get(self.bed.api('/jobs')).json()['jobs'] if j['state'] == state]


@pytest.fixture(scope='module')
def shell():
    with Bed() as bed:
        yield Shell(bed)


@pytest.fixture
def unplugged(shell):
    shell.unplug()
    yield shell
    if shell.state() != 'online':
        shell.plug()


# --- a device that is away ---------------------------------------------------


def test_a_backup_of_an_absent_device_says_that_it_waits(unplugged):
    child = unplugged.start('backup', 'harbour', 'flash0')
    wait_for('the word', lambda: 'waiting for harbour, which is absent' in child.said())
    unplugged.plug()
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 0, child.said()
    assert child.said().count('waiting for') == 1 and child.said().count('harbour is back') == 1, child.said()
    assert unplugged.bed.http.get(unplugged.bed.api('/snapshots/' + out.decode().strip())).status_code == 200


def test_a_job_behind_one_that_waits_says_so_too(unplugged):
    first = unplugged.start('backup', 'harbour', 'flash0')
    wait_for('the first', lambda: unplugged.jobs('waiting'))
    second = unplugged('backup', 'harbour', 'flash0', '--timeout', 1, code=5)
    assert 'waiting for harbour, which is absent' in second.err
    assert unplugged.jobs('waiting') and not unplugged.jobs('queued')
    unplugged.plug()
    first.communicate(timeout=60)
    assert first.returncode == 0, first.said()


def test_a_timeout_ends_with_5_and_leaves_no_job(unplugged):
    done = unplugged('backup', 'harbour', 'flash0', '--timeout', 1, code=5)
    assert 'harbour stayed away for 1 second: the backup is cancelled' in done.err
    assert not unplugged.jobs('waiting') and not unplugged.jobs('queued')


def test_quiet_is_quiet(unplugged):
    done = unplugged('--quiet', 'backup', 'harbour', 'flash0', '--timeout', 1, code=5)
    assert 'waiting' not in done.err and len(done.err.splitlines()) == 1


def test_a_restore_waits_aloud_too(shell):
    snapshot = shell('backup', 'harbour').out.strip()
    shell.unplug()
    done = shell('restore', '-y', snapshot, 'harbour', 'flash0', '--timeout', 1, code=5)
    assert 'waiting for harbour' in done.err and 'Nothing was changed on the device.' in done.err
    shell.plug()


def test_an_interrupt_leaves_the_job_and_tells_its_id(unplugged):
    child = unplugged.start('backup', 'harbour', 'flash0')
    wait_for('the word', lambda: 'waiting for' in child.said())
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=60)
    assert child.returncode == -signal.SIGINT
    [job] = unplugged.jobs('waiting')
    assert f'goes on in the daemon as job {job["id"]}' in child.said()
    assert job['id'] in unplugged('jobs', 'list', 'harbour').out
    unplugged.plug()
    assert 'done' in unplugged('jobs', 'wait', job['id'][-12:]).out
    assert json.loads(unplugged('jobs', 'show', job['id'], '--json').out)['state'] == 'done'
    assert 'ended' in unplugged('jobs', 'cancel', job['id'], code=6).err


def test_a_job_is_cancelled_by_hand(unplugged):
    job = json.loads(unplugged('backup', 'harbour', 'flash0', '--no-wait', '--json').out)['id']
    unplugged('jobs', 'cancel', job)
    assert 'was cancelled' in unplugged('jobs', 'wait', job, code=1).err
    unplugged('jobs', 'frob', job, code=2)
    unplugged('jobs', 'list', 'nope', code=4)


# --- options -----------------------------------------------------------------


def test_options_of_every_command_may_come_first(shell):
    env = {'FLASHPORT_URL': 'http://127.0.0.1:1', 'FLASHPORT_TOKEN': 'wrong'}
    done = shell('--url', shell.bed.url, f'--token={shell.env["FLASHPORT_TOKEN"]}', '--json', 'devices', **env)
    assert json.loads(done.out)['devices'][0]['id'] == 'harbour'
    assert 'no such command: frob' in shell('--json', 'frob', code=2).err
    assert 'usage: flashport COMMAND' in shell('--help').out
    assert 'usage: flashport ls' in shell('--json', 'ls', '--help').out
    for bad in (['--timeout', '0'], ['--timeout', 'soon'], ['--timeout', '5', '--no-wait'], ['--no-wait', '-o', 'x']):
        shell('backup', 'harbour', *bad, code=2)


# --- snapshots ---------------------------------------------------------------


def test_an_id_may_be_shortened_where_it_is_one(shell, tmp_path):
    one = shell('backup', 'harbour').out.strip()
    two = shell('backup', 'harbour').out.strip()
    assert json.loads(shell('snapshots', 'ls', one[-12:], '--json').out) == json.loads(shell('snapshots', 'ls', one, '--json').out)
    shell('snapshots', 'export', two[-12:], tmp_path / 'two.img')
    assert (tmp_path / 'two.img').stat().st_size == 64 * 4096
    err = shell('snapshots', 'rm', one[:4], code=2).err
    assert one in err and two in err
    assert 'at least 4' in shell('snapshots', 'ls', one[:3], code=2).err
    assert 'zzzz' in shell('snapshots', 'ls', 'zzzz', code=4).err
    shell('restore', '-y', two[-12:], 'harbour')
    shell('snapshots', 'rm', one[-12:])
    assert one not in shell('snapshots').out and two in shell('snapshots').out


def test_snapshots_of_a_device_that_is_none(shell):
    assert 'nope' in shell('snapshots', 'list', 'nope', code=4).err
