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

    def __init__(self, bed, agent=None):
        self.bed, self.agent = bed, agent or add_agent(bed, 'harbour', 'unix', blocks=64)
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
            # Ctrl-C reaches it also where the tests themselves run in the background of a shell, which ignores it.
            child = subprocess.Popen([BIN / 'flashport', *args], stdout=subprocess.PIPE, stderr=err, env=self.env, stdin=subprocess.DEVNULL,
                                     preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
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


# --- a device that is there ---------------------------------------------------


def test_a_devices_counters(shell):
    shell.bed.http.put(shell.bed.api('/devices/harbour/fs/flash/counted'), data=b'x')
    told = dict(line.split() for line in shell('devices', 'harbour', '--stats').out.splitlines())
    assert int(told['link.rx_bytes']) > 0 and int(told['flash0.progs']) > 0, told
    assert set(json.loads(shell('devices', '--stats', 'harbour', '--json').out)['counters']) == set(told)
    assert '--stats wants a device' in shell('devices', '--stats', code=2).err
    shell('devices', 'nobody', '--stats', code=4)
    for command in ('df', 'devices'):
        assert 'a device by itself' in shell(command, 'harbour:/flash', code=2).err


def test_a_directory_of_a_snapshot_is_no_file(shell):
    shell('mkdir', 'harbour:/flash/lib')
    snapshot = shell('backup', 'harbour').out.strip()
    for path in ('/', '/lib', '/lib/'):
        done = shell('snapshots', 'cat', snapshot, path, code=6)
        assert 'is a directory' in done.err and done.out == '', done.err
    shell('rm', 'harbour:/flash/lib')


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
    assert 'no such command: frob' in shell('--quiet', 'frob', code=2).err
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


# --- what is said ------------------------------------------------------------


@pytest.fixture(scope='module')
def tree(shell, tmp_path_factory):
    """/flash/up/sub/ and /flash/hello.txt, 6 bytes."""
    hello = tmp_path_factory.mktemp('tree') / 'hello.txt'
    hello.write_text('hello\n')
    os.utime(hello, (1_700_000_000, 1_700_000_000))
    shell('mkdir', '-p', 'harbour:/flash/up/sub')
    shell('cp', hello, 'harbour:/flash/hello.txt')
    return hello


UNKNOWN = 'No device has the id or label "nope". flashport devices lists those that are.'


@pytest.mark.parametrize('args, code, words', [
    ('ls nope:/flash', 4, UNKNOWN), ('cp nope:/flash/x .', 4, UNKNOWN), ('cp -r nope:/flash .', 4, UNKNOWN),
    ('cp {hello} nope:/flash/', 4, UNKNOWN), ('cp {hello} nope:/flash/x', 4, UNKNOWN), ('mv nope:/a/b nope:/a/c', 4, UNKNOWN),
    ('mkdir -p nope:/flash/a/b', 4, UNKNOWN), ('df nope', 4, UNKNOWN), ('backup nope', 4, UNKNOWN),
    ('cp harbour:/flash/none .', 4, 'harbour:/flash/none: '),
    ('ls harbour:/flash --token wrong', 8, 'The token is unknown or expired. Give --token or FLASHPORT_TOKEN'),
    ('rm -r harbour:/flash', 8, "harbour:/flash: A volume can't be deleted. "), ('rm harbour:/', 8, 'The root holds only volumes'),
    ('mv harbour:/flash/up harbour:/flash/up/sub', 1, "harbour:/flash/up: A directory can't be moved into itself."),
    ('mv harbour:/flash/hello.txt harbour:/flash/a/b', 4, 'harbour:/flash/a/b: The directory that it should be in does not exist.'),
    ('mv harbour:/flash/none harbour:/flash/b', 4, 'harbour:/flash/none: There is nothing of this name.'),
    ('mkdir harbour:/flash/a/b/c', 4, 'does not exist. flashport mkdir -p makes it.'),
    ('cp {hello} harbour:/flash/a/b', 4, 'harbour:/flash/a/b: The directory that it should be in does not exist.'),
    ('cat harbour:/flash/up', 6, 'flashport ls lists it'), ('rm harbour:/flash/up', 6, 'rm -r'),
    ('mkdir -p harbour:/flash/hello.txt', 6, 'harbour:/flash/hello.txt: ')], ids=lambda v: v if isinstance(v, str) and ' ' in v and len(v) < 45 else '')
def test_refusals_name_what_it_is_and_what_to_do(shell, tree, args, code, words):
    done = shell(*args.format(hello=tree).split(), code=code)
    assert words in done.err and len(done.err.splitlines()) == 1, done.err
    assert done.err.endswith(('.\n', '?\n')), done.err


def test_mkdir_makes_parents(shell):
    shell('mkdir', '-p', 'harbour:/flash/p/q/r')
    shell('mkdir', '-p', 'harbour:/flash/p/q/r')
    assert shell('ls', 'harbour:/flash/p/q').out == 'r/\n'
    shell('rm', '-r', 'harbour:/flash/p')


def test_ls_of_a_file_is_one_row(shell, tree):
    assert shell('ls', 'harbour:/flash/hello.txt').out == 'hello.txt\n'
    assert re.fullmatch(r'- +6  2023-11-1[45] ..:..  +hello.txt\n', shell('ls', '-l', 'harbour:/flash/hello.txt').out)
    [mine] = json.loads(shell('ls', 'harbour:/flash/hello.txt', '--json').out)['entries']
    [theirs] = [e for e in json.loads(shell('ls', 'harbour:/flash', '--json').out)['entries'] if e['name'] == 'hello.txt']
    assert mine['mtime'][:19] == theirs['mtime'][:19]
    assert {**mine, 'mtime': 0} == {**theirs, 'mtime': 0}
    shell('ls', 'harbour:/flash/none', code=4)


def test_what_does_not_fit_says_beside_what(shell, tmp_path):
    half, full = tmp_path / 'half', tmp_path / 'full'
    half.write_bytes(os.urandom(150_000))
    full.write_bytes(os.urandom(255_000))
    err = shell('cp', full, 'harbour:/flash/full', code=7).err
    assert 'old one' not in err and 'bytes free' in err
    shell('cp', half, 'harbour:/flash/half')
    half.write_bytes(os.urandom(150_001))
    err = shell('cp', half, 'harbour:/flash/half', code=7).err
    assert 'beside the old one' in err and 'bytes free' in err
    shell('rm', 'harbour:/flash/half')


def test_many_files_travel_at_once_and_the_first_failure_is_told(shell, tmp_path):
    source = tmp_path / 'many'
    for i in range(60):
        (source / f'd{i % 4}').mkdir(parents=True, exist_ok=True)
        (source / f'd{i % 4}' / f'f{i}').write_bytes(os.urandom(200) * (i % 3))
    told = json.loads(shell('cp', '-r', '--json', source, 'harbour:/flash/').out)
    assert told == {'files': 60, 'bytes': 200 * 60}
    told = json.loads(shell('cp', '-r', '--json', 'harbour:/flash/many', tmp_path / 'back').out)
    assert told == {'files': 60, 'bytes': 200 * 60}
    for path in source.rglob('f*'):
        assert (tmp_path / 'back' / path.relative_to(source)).read_bytes() == path.read_bytes()
    shell('rm', '-r', 'harbour:/flash/many')
    os.mkfifo(source / 'd2' / 'pipe')
    err = shell('cp', '-r', source, 'harbour:/flash/', code=1).err
    assert 'd2/pipe: not a regular file' in err and err.count('\n') == 2
    assert re.search(r'\d+ files? (was|were) copied before that; of the rest', err), err
    shell('rm', '-r', 'harbour:/flash/many')


def test_a_body_that_lacks_something_is_told_what(shell):
    bed = shell.bed

    def detail(reply):
        assert reply.status_code == 400, reply.text
        return reply.json()['detail']
    told = detail(bed.http.post(bed.api('/snapshots'), json={'device': 'harbour'}))
    assert '"storage" is missing' in told and '"device"' not in told
    assert '"device" is missing' in detail(bed.http.post(bed.api('/snapshots'), json={'storage': 'flash0'}))
    assert '"device" and "storage" are' in detail(bed.http.post(bed.api('/snapshots'), json={}))
    url = bed.api('/snapshots/' + shell('backup', 'harbour').out.strip())
    assert '"colour"' in detail(bed.http.patch(url, json={'colour': 'red'}))
    assert '"pinned" is true or false' in detail(bed.http.patch(url, json={'pinned': 'yes'}))
    assert 'strings' in detail(bed.http.patch(url, json={'tags': 'x'}))
    name = url.rsplit('/', 1)[1]
    assert json.loads(shell('snapshots', 'pin', name, '--json').out)['pinned'] is True
    assert '  pinned' in shell('snapshots').out
    assert 'pinned. flashport snapshots unpin' in shell('snapshots', 'rm', name, code=8).err
    shell('snapshots', 'unpin', name[-12:])
    shell('snapshots', 'rm', name)


def test_parts_agree_on_their_json(shell, tree):
    job = json.loads(shell('backup', 'harbour', '-t', 'a', '-t', 'b', '--json').out)
    assert job['params']['tags'] == ['a', 'b']
    assert shell.bed.http.get(shell.bed.api('/snapshots/' + job['result']['snapshot'])).json()['tags'] == ['a', 'b']
    assert json.loads(shell('backup', 'harbour', '--json').out)['params']['tags'] == []
    again = json.loads(shell('restore', '-y', job['result']['snapshot'], 'harbour', '--json').out)
    assert again['state'] == 'done' and again['result']['programmed'] == 0
    assert again['progress']['done'] == again['progress']['total'] == 64, again['progress']
    shell('snapshots', 'export', job['result']['snapshot'], shell.bed.dir / 'whole.img')
    image = json.loads(shell('image', 'info', shell.bed.dir / 'whole.img', '--json').out)
    [volume] = json.loads(shell('devices', 'harbour', '--json').out)['volumes']
    assert 'seekwrite' in volume['caps'] and set(image['caps']) <= set(volume['caps'])


def test_a_restore_with_nothing_left_to_do_at_its_end_says_how_much_it_did(shell):
    snapshot = shell('backup', 'harbour').out.strip()
    url = shell.bed.api('/devices/harbour/storages/flash0/image')
    blank = shell.bed.job(shell.bed.http.put(url, data=b'\xff' * 64 * 4096))  # erased is written: no anchor is left
    assert blank['state'] == 'done' and blank['result']['programmed'] > 0, blank
    assert blank['progress']['done'] == blank['progress']['total'] > 0, blank['progress']
    job = json.loads(shell('restore', '-y', snapshot, 'harbour', '--json').out)
    assert job['progress']['done'] == job['progress']['total'] > 0, job['progress']
    wait_for('the volume', lambda: 'littlefs' in shell('df', 'harbour').out)
