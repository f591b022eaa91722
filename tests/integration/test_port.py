# SPDX-License-Identifier: MIT
"""A serial port is a shared thing: lent to another program and taken back."""
import fcntl
import os
import re
import signal
import subprocess
import sys
import termios
import threading

import pytest
import requests
from bed import BIN, wait_for
from conftest import add_agent

# What a flasher does with a port, as pyserial's exclusive=True does it: it fails while anybody else holds the lock.
FLASHER = '''
import fcntl, os, sys
port = os.open(os.environ['FLASHPORT_PORT'], os.O_RDWR | os.O_NOCTTY)
fcntl.flock(port, fcntl.LOCK_EX | fcntl.LOCK_NB)
'''


@pytest.fixture(scope='module')
def bed():
    from bed import Bed
    with Bed() as made:
        add_agent(made, 'dev', 'pty', blocks=256)
        made.start_daemon()
        made.online('dev')
        yield made


@pytest.fixture
def release(bed):
    """POST .../release; whatever a test left is taken back."""
    url = bed.api('/devices/dev/release')
    yield lambda **body: bed.http.post(url, json=body)
    bed.http.delete(url)
    bed.online('dev')


def device(bed):
    return bed.http.get(bed.api('/devices/dev')).json()


def grab(bed):
    """The port as another program takes it: its descriptor. BlockingIOError while the daemon has it."""
    port = os.open(bed.dir / 'dev.pty', os.O_RDWR | os.O_NOCTTY)
    try:
        fcntl.flock(port, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(port)
        raise
    return port


def cli(bed, *args, **options):
    env = {**os.environ, 'FLASHPORT_SOCKET': str(bed.dir / 'd.sock')}
    return subprocess.run([BIN / 'flashport', *args], env=env, capture_output=True, text=True, timeout=60, **options)


def test_a_lent_port_is_free_and_comes_back(bed, release):
    with pytest.raises(OSError):
        grab(bed)
    reply = release(seconds=600)
    assert reply.status_code == 200, reply.text
    assert reply.json()['port'] == str(bed.dir / 'dev.pty') and reply.json()['device'] == 'dev'
    port = grab(bed)
    described = device(bed)
    assert described['state'] == 'released' and described['released_until'] == reply.json()['until']
    assert described['reason'] == 'its port is lent to another program'
    refused = bed.http.get(bed.api('/devices/dev/fs/flash/'))
    assert refused.status_code == 503 and 590 <= int(refused.headers['Retry-After']) <= 600
    assert refused.json()['type'] == '/errors/device-released' and refused.json()['released_until'] == reply.json()['until']

    # Taken back while the other program holds it still: tried again until it lets go.
    assert bed.http.delete(bed.api('/devices/dev/release')).status_code == 204
    wait_for('a try', lambda: 'in use by another program' in device(bed).get('reason', ''))
    os.close(port)
    bed.online('dev')
    assert 'released_until' not in device(bed)
    assert bed.http.delete(bed.api('/devices/dev/release')).status_code == 404


def test_time_ends_a_loan(bed, release):
    assert release(seconds=1).status_code == 200
    assert device(bed)['state'] == 'released'
    bed.online('dev')


def test_what_was_sent_to_nobody_is_not_there_later(bed, release):
    """Bytes of the other program, and of the device to it, are none of ours."""
    assert release(seconds=600).status_code == 200
    port = grab(bed)
    os.write(port, b'\x00\xc0flasher\xc0\x00' * 20)
    termios.tcdrain(port)
    os.close(port)
    bed.http.delete(bed.api('/devices/dev/release'))
    bed.online('dev')
    assert bed.http.get(bed.api('/devices/dev/fs/flash/')).status_code == 200


@pytest.mark.parametrize('body', [{'seconds': 0}, {'seconds': 3601}, {'seconds': '60'}, {'minutes': 1}, {'force': 1}, {'id': 'mine'}])
def test_a_body_that_is_not_right_lends_nothing(bed, release, body):
    reply = release(**body)
    assert reply.status_code == 400 and '1 to 3600' in reply.json()['detail']
    assert device(bed)['state'] == 'online'


def test_a_loan_is_renewed_and_ended_by_its_id(bed, release):
    first = release(seconds=600).json()
    other = release(seconds=600)
    assert other.status_code == 409 and 'lent already' in other.json()['detail']
    renewed = release(seconds=1200, id=first['id'])
    assert renewed.status_code == 200 and renewed.json()['until'] > first['until']
    assert device(bed)['released_until'] == renewed.json()['until']
    strange = bed.http.delete(bed.api('/devices/dev/release?id=01890a5d-ac96-774b-bcce-b302099a8057'))
    assert strange.status_code == 409 and device(bed)['state'] == 'released'
    assert bed.http.delete(bed.api(f'/devices/dev/release?id={first["id"]}')).status_code == 204


def body_bytes(bed):
    """Bytes of bodies that the daemon has seen: their requests are under way."""
    return int(re.search(r'^flashport_http_body_bytes_total (\d+)', bed.http.get(bed.url + '/metrics').text, re.M).group(1))


class Upload(threading.Thread):
    """A PUT whose client stops half-way, until it is let go."""

    def __init__(self, bed, content):
        super().__init__()
        self.bed, self.content, self.go, self.status = bed, content, threading.Event(), None
        self.start()

    def body(self):
        yield self.content[:8192]
        self.go.wait()
        yield self.content[8192:]

    def run(self):
        try:
            reply = requests.put(self.bed.api('/devices/dev/fs/flash/kept'), data=self.body(), headers=dict(self.bed.http.headers))
            self.status = reply.status_code
        except requests.ConnectionError:
            self.status = 'cut'     # an answer before the body has ended

    def end(self):
        self.go.set()
        self.join()
        return self.status


def test_work_under_way_refuses_and_force_cuts_it(bed, release):
    file = bed.api('/devices/dev/fs/flash/kept')
    assert bed.http.put(file, data=b'old').status_code == 201
    before = body_bytes(bed)
    upload = Upload(bed, b'new' * 10000)
    wait_for('the first half', lambda: body_bytes(bed) >= before + 8192)
    reply = release(seconds=600)
    assert reply.status_code == 409 and 'an upload is under way' in reply.json()['detail']
    assert device(bed)['state'] == 'online'

    assert release(seconds=600, force=True).status_code == 200
    os.close(grab(bed))
    assert upload.end() in (503, 'cut')
    bed.http.delete(bed.api('/devices/dev/release'))
    bed.online('dev')
    assert bed.http.get(file).content == b'old'


def test_a_restart_of_the_daemon_has_its_ports(fresh):
    add_agent(fresh, 'dev', 'pty')
    fresh.start_daemon()
    fresh.online('dev')
    assert fresh.http.post(fresh.api('/devices/dev/release'), json={'seconds': 3600}).status_code == 200
    fresh.daemon.stop()
    fresh.restart_daemon()
    fresh.online('dev')


def test_a_job_refuses_a_loan_and_waits_when_forced(fresh):
    add_agent(fresh, 'dev', 'pty', blocks=1024, timing='nor')
    fresh.start_daemon()
    fresh.online('dev')
    job = fresh.http.post(fresh.api('/snapshots'), json={'device': 'dev', 'storage': 'flash0'})
    url = fresh.api('/devices/dev/release')

    def running():
        return fresh.http.get(fresh.url + job.headers['Location']).json()['state'] == 'running'
    wait_for('the job', running)
    refused = fresh.http.post(url, json={})
    assert refused.status_code == 409 and f'backup job {job.json()["id"]}' in refused.json()['detail'], refused.text
    assert fresh.http.post(url, json={'force': True}).status_code == 200
    fresh.http.delete(url)
    assert fresh.job(job)['state'] == 'done'


def test_a_command_runs_while_the_port_is_lent(bed, release):
    done = cli(bed, 'release', 'dev', '--', sys.executable, '-c', FLASHER + 'print("flashed", sys.argv[1:]); sys.exit(7)', '--for', 'x')
    assert (done.returncode, done.stdout) == (7, "flashed ['--for', 'x']\n"), done.stderr
    assert device(bed)['state'] == 'online'
    done = cli(bed, 'release', 'dev', '--', sys.executable, '-c', FLASHER + 'os.kill(os.getpid(), 9)')
    assert done.returncode == 128 + 9
    assert device(bed)['state'] == 'online'
    done = cli(bed, 'release', 'dev', '--', 'no-such-flasher')
    assert done.returncode == 127 and 'no-such-flasher' in done.stderr
    assert device(bed)['state'] == 'online'


def test_a_command_that_is_ended_gives_the_port_back(bed, release):
    env = {**os.environ, 'FLASHPORT_SOCKET': str(bed.dir / 'd.sock')}
    ready = bed.dir / 'ready'
    child = subprocess.Popen([BIN / 'flashport', 'release', 'dev', '--', 'sh', '-c', f': >{ready}; exec sleep 600'], env=env)
    wait_for('the command', ready.exists)
    assert device(bed)['state'] == 'released'
    child.send_signal(signal.SIGTERM)
    assert child.wait(30) == 128 + signal.SIGTERM
    assert device(bed)['state'] == 'online'


def test_the_command_line_lends_and_takes_back(bed, release):
    done = cli(bed, 'release', 'dev', '--for', '600')
    assert done.returncode == 0 and done.stdout == f'{bed.dir / "dev.pty"}\n' and 'release dev --end' in done.stderr
    os.close(grab(bed))
    assert cli(bed, 'ls', 'dev:/flash').returncode == 5
    assert cli(bed, 'release', 'dev').returncode == 6
    assert cli(bed, 'release', 'dev', '--end').returncode == 0
    bed.online('dev')
    assert cli(bed, 'release', 'dev', '--end').returncode == 4
    assert cli(bed, 'release', 'dev', '--for', '0').returncode == 2
    assert cli(bed, 'release', 'nobody').returncode == 4


def test_a_board_without_an_agent_is_named_by_its_port(fresh):
    """The daemon listens there, and a flasher needs the port to put an agent on it."""
    master, slave = os.openpty()
    path = os.ttyname(slave)
    os.close(slave)
    fresh.links = [f'serial:{path}@115200']
    fresh.start_daemon()

    def state():
        return fresh.http.get(fresh.api('/devices')).json()['links'][0]['state']
    wait_for('the port to be open', lambda: state() == 'syncing')
    done = cli(fresh, 'release', path, '--', sys.executable, '-c', FLASHER + 'print("flashed")')
    assert (done.returncode, done.stdout) == (0, 'flashed\n'), done.stderr
    wait_for('the port to be back', lambda: state() in ('syncing', 'backoff', 'opening'))
    assert cli(fresh, 'release', path, '--for', '600').stdout == f'{path}\n'
    assert state() == 'released'
    assert cli(fresh, 'release', path, '--end').returncode == 0
    assert cli(fresh, 'release', '/dev/no-such-port').returncode == 4
    assert cli(fresh, 'release', path, '--end').returncode == 4
    os.close(master)


def test_a_link_with_a_device_is_that_devices_port(bed, release):
    url = bed.api('/links/release')
    loan = bed.http.post(url, json={'link': f'serial:{bed.dir}/dev.pty@921600', 'seconds': 600})
    assert loan.status_code == 200 and device(bed)['state'] == 'released', loan.text
    assert bed.http.delete(url, params={'link': f'{bed.dir}/dev.pty', 'id': '01890a5d-ac96-774b-bcce-b302099a8057'}).status_code == 409
    assert bed.http.delete(url, params={'link': f'{bed.dir}/dev.pty', 'id': loan.json()['id']}).status_code == 204
    limited = bed.http.post(bed.api('/tokens'), json={'name': 'one', 'scope': 'write', 'devices': ['dev']}).json()
    refused = requests.post(url, json={'link': f'{bed.dir}/dev.pty'}, headers={'Authorization': f'Bearer {limited["token"]}'})
    assert refused.status_code == 403
