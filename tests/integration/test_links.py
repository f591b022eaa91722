# SPDX-License-Identifier: MIT
"""Links: two devices of one id, keys, ports that come and go, restarts."""
import os
import pathlib
import select
import socket
import subprocess
import sys
import threading

import pytest

from bed import BIN, Bed, wait_for

LIARS = pathlib.Path(__file__).resolve().parent.parent / 'device' / 'liars.py'


def device(bed, name='dev'):
    return bed.http.get(bed.api(f'/devices/{name}')).json()


def link(bed, spec):
    return next(link for link in bed.http.get(bed.api('/devices')).json()['links'] if link['name'] == spec)


def cli(bed, *args, **options):
    env = {**os.environ, 'FLASHPORT_SOCKET': str(bed.dir / 'd.sock')}
    return subprocess.run([BIN / 'flashport', *args], env=env, capture_output=True, text=True, timeout=60, **options)


# ---- two hosts for one link ----

def test_two_daemons_on_one_link_are_told(fresh):
    """The last to come has it, so each takes it from the other: they do so ever more seldom, and say what it may be."""
    spec = f'unix:{fresh.dir / "dev.sock"}'
    agent(fresh, spec)
    with Bed() as other:
        for bed in (fresh, other):
            bed.links = [spec]
            bed.start_daemon()
        wait_for('a word of the other host', lambda: any('another host' in link(bed, spec).get('reason', '') for bed in (fresh, other)))
        assert 'another host' in fresh.daemon.output() + other.daemon.output()
    fresh.online('dev')


# ---- one id twice ----

def test_a_second_device_of_one_id_is_seen_and_left_alone(fresh):
    """Two boards were given one id: files go to the one that was there first, and both are named."""
    first, second = fresh.dir / 'first.sock', fresh.dir / 'second.sock'
    agents = {}
    for where in (first, second):
        flash = fresh.dir / f'{where.stem}.img'
        agents[where] = fresh.process(where.stem, 'flashport-agent', '--id', 'dev', '--storage', f'flash0={flash},block=4096,count=32',
                                      '--mount', '/flash=flash0:littlefs', '--format', 'littlefs', '--listen', f'unix:{where}')
        wait_for(where, where.exists)
    fresh.links = [f'unix:{first}', f'unix:{second}']
    fresh.start_daemon()
    fresh.online('dev')
    wait_for('the conflict', lambda: device(fresh).get('conflict'))
    described = device(fresh)
    served, other = described['link']['name'], described['conflict']
    assert {served, other} == set(fresh.links) and described['state'] == 'online'
    told = wait_for('what the other link says', lambda: (told := link(fresh, other))['state'] == 'conflict' and told)  # and tries again
    assert served in told['reason']
    assert f'in conflict with {other}' in cli(fresh, 'devices').stdout
    assert other in cli(fresh, 'devices', 'dev').stdout

    images = {spec: fresh.dir / f'{os.path.basename(spec)[:-5]}.img' for spec in fresh.links}
    before = {spec: image.read_bytes() for spec, image in images.items()}
    assert fresh.http.put(fresh.api('/devices/dev/fs/flash/x'), data=b'for one of them').status_code == 201
    assert images[other].read_bytes() == before[other] and images[served].read_bytes() != before[served]

    # The one that served leaves: the device is where the other is, and nothing is in conflict.
    agents[first if str(first) in served else second].stop()
    wait_for('the other', lambda: (d := device(fresh))['link']['name'] == other and d['state'] == 'online')
    assert 'conflict' not in device(fresh)
    assert fresh.http.get(fresh.api('/devices/dev/fs/flash/x')).status_code == 404


# ---- keys ----

def key_file(bed, name='key', key=b'0123456789abcdef0123456789abcdef\n', mode=0o600):
    path = bed.dir / name
    path.write_bytes(key)
    path.chmod(mode)
    return path


def agent(bed, listen, *extra, name='dev'):
    """An agent of 128 KiB at any address; its flash survives it."""
    return bed.process(f'{name}-agent', 'flashport-agent', '--id', name, '--storage', f'flash0={bed.dir / name}.img,block=4096,count=32',
                       '--mount', '/flash=flash0:littlefs', '--format', 'littlefs', '--listen', listen, *extra)


def free_port(host):
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def beyond():
    """An address of this machine that is no loopback one."""
    said = subprocess.run(['hostname', '-I'], capture_output=True, text=True).stdout.split()
    found = [a for a in said if '.' in a and not a.startswith('127.')]
    if not found:
        pytest.skip('this machine has only loopback addresses')
    return found[0]


def refused(bed, spec, words):
    found = wait_for('the refusal', lambda: (found := link(bed, spec))['state'] in ('refused', 'backoff') and words in found.get('reason', '') and found)
    return found


def test_a_key_opens_a_tcp_link_beyond_loopback(fresh):
    host, key = beyond(), key_file(fresh)
    port = free_port(host)
    agent(fresh, f'tcp:{host}:{port}', '--key-file', key)
    fresh.links = [f'tcp:{host}:{port},key-file={key}']
    fresh.start_daemon()
    fresh.online('dev')
    content = os.urandom(50_000)
    assert fresh.http.put(fresh.api('/devices/dev/fs/flash/x'), data=content).status_code == 201
    assert fresh.http.get(fresh.api('/devices/dev/fs/flash/x')).content == content


def test_who_has_proven_the_key_is_not_thrown_out_by_who_has_not(fresh):
    key, port = key_file(fresh), free_port('127.0.0.1')
    agent(fresh, f'tcp:127.0.0.1:{port}', '--key-file', key)
    wait_for('the agent', lambda: 'serves on' in (fresh.dir / 'dev-agent.log').read_text())
    early = socket.create_connection(('127.0.0.1', port))    # who came first and proves nothing gives way
    fresh.links = [f'tcp:127.0.0.1:{port},key-file={key}']
    fresh.start_daemon()
    fresh.online('dev')
    for _ in range(20):
        with socket.create_connection(('127.0.0.1', port), timeout=30) as stranger:
            assert stranger.recv(1) == b''
        assert fresh.http.put(fresh.api('/devices/dev/fs/flash/x'), data=b'x').status_code in (201, 204)
    early.close()
    assert 'lost' not in fresh.daemon.output()


def test_without_a_key_nothing_goes_beyond_loopback(fresh):
    for args in (['flashportd', '--check-config', '--data', fresh.dir / 'd', '--link', 'tcp:192.0.2.7:7000'],
                 ['flashportd', '--data', fresh.dir / 'd', '--link', 'tcp:[2001:db8::1]:7000'],
                 ['flashport-agent', '--id', 'x', '--storage', f'a={fresh.dir}/a,block=4096,count=32', '--mount', '/a=a:littlefs',
                  '--listen', 'tcp:0.0.0.0:0']):
        done = subprocess.run([BIN / args[0], *args[1:]], capture_output=True, text=True, timeout=30)
        assert done.returncode == 2 and 'key-file' in done.stderr and 'loopback' in done.stderr or 'address beyond' in done.stderr, done.stderr


@pytest.mark.parametrize('content, mode, words', [(b'0123456789abcdef\n', 0o640, 'chmod 600'), (b'short\n', 0o600, '16 to 128'),
                                                  (b'x' * 200, 0o600, '16 to 128'), (None, None, 'No such file')])
def test_a_key_file_that_will_not_do(fresh, content, mode, words):
    key = fresh.dir / 'none' if content is None else key_file(fresh, key=content, mode=mode)
    for args in (['flashportd', '--check-config', '--link', f'unix:/x,key-file={key}'],
                 ['flashport-agent', '--id', 'x', '--storage', f'a={fresh.dir}/a,block=4096,count=32', '--mount', '/a=a:littlefs',
                  '--key-file', key, '--listen', 'tcp:127.0.0.1:0']):
        done = subprocess.run([BIN / args[0], *args[1:]], capture_output=True, text=True, timeout=30)
        assert done.returncode == 2 and words in done.stderr and str(key) in done.stderr, done.stderr


@pytest.mark.parametrize('at_agent, at_link, words', [('other', 'key', 'another key'), (None, 'key', '--key-file'), ('key', None, ',key-file=')])
def test_keys_that_differ_are_refused_by_name(fresh, at_agent, at_link, words):
    key_file(fresh)
    key_file(fresh, 'other', b'0123456789abcdef0123456789abcdeF\n')
    agent(fresh, f'unix:{fresh.dir}/s', *(['--key-file', fresh.dir / at_agent] if at_agent else []))
    fresh.links = [f'unix:{fresh.dir}/s' + (f',key-file={fresh.dir / at_link}' if at_link else '')]
    fresh.start_daemon()
    assert refused(fresh, fresh.links[0], words)['state'] == 'refused'
    assert fresh.http.get(fresh.api('/devices')).json()['devices'] == []


def test_a_key_may_be_exchanged_while_the_daemon_runs(fresh):
    key = key_file(fresh)
    made = agent(fresh, f'unix:{fresh.dir}/s', '--key-file', key)
    fresh.links = [f'unix:{fresh.dir}/s,key-file={key}']
    fresh.start_daemon()
    fresh.online('dev')
    made.stop()
    key_file(fresh, key=b'another key of many bytes\n')
    made.start()
    wait_for('the new key', lambda: device(fresh)['state'] == 'online')


def test_a_device_made_from_the_page_proves_and_is_proven_to(fresh):
    """tests/device knows PROTOCOL.md alone."""
    key = key_file(fresh)
    fake = subprocess.Popen([sys.executable, LIARS, '--id', 'fake', '--listen', f'unix:{fresh.dir}/s', 'Keyed', key])
    fresh.links = [f'unix:{fresh.dir}/s,key-file={key}']
    fresh.start_daemon()
    fresh.online('fake')
    fake.kill()
    fake.wait()


def test_a_recorded_proof_of_a_device_is_refused(fresh):
    key = key_file(fresh)
    fake = subprocess.Popen([sys.executable, LIARS, '--id', 'fake', '--listen', f'unix:{fresh.dir}/s', 'Recorded', key])
    fresh.links = [f'unix:{fresh.dir}/s,key-file={key}']
    fresh.start_daemon()
    refused(fresh, fresh.links[0], 'another key')
    fake.kill()
    fake.wait()


class Recorder(threading.Thread):
    """Between a daemon and an agent: keeps what the daemon sends."""

    def __init__(self, near, far):
        super().__init__(daemon=True)
        self.server, self.far, self.sent = socket.socket(socket.AF_UNIX), str(far), []
        self.server.bind(str(near))
        self.server.listen()
        self.start()

    def run(self):
        host, _ = self.server.accept()
        device = socket.socket(socket.AF_UNIX)
        device.connect(self.far)
        while True:
            for end in select.select([host, device], [], [])[0]:
                data = end.recv(65536)
                if not data:
                    device.close()
                    return
                if end is host:
                    self.sent.append(data)
                (device if end is host else host).sendall(data)


@pytest.mark.parametrize('keyed', [False, True])
def test_a_recorded_host_is_served_nothing(fresh, keyed):
    """All that a daemon sent when it stored a file, once more: without a key the file is stored again, with one nothing is."""
    key = key_file(fresh)
    with_key = ['--key-file', key] if keyed else []
    made = agent(fresh, f'unix:{fresh.dir}/s', *with_key)
    wait_for('the agent', (fresh.dir / 's').exists)
    recorder = Recorder(fresh.dir / 'near', fresh.dir / 's')
    fresh.links = [f'unix:{fresh.dir}/near' + (f',key-file={key}' if keyed else '')]
    fresh.start_daemon()
    fresh.online('dev')
    assert fresh.http.put(fresh.api('/devices/dev/fs/flash/x'), data=b'stored').status_code == 201
    fresh.daemon.stop()
    recorder.join()

    made.stop()
    (fresh.dir / 'dev.img').unlink()
    made.start()
    wait_for('the agent', lambda: 'serves' in made.output() and (fresh.dir / 'dev.img').exists())
    replay = wait_for('the agent', lambda: connected(fresh.dir / 's'))
    for data in recorder.sent:
        replay.sendall(data)
        while select.select([replay], [], [], 0.1)[0]:      # what is answered is of no use to who only replays
            assert replay.recv(65536)
    replay.close()
    made.stop()
    names = subprocess.run([BIN / 'flashport', 'image', 'ls', fresh.dir / 'dev.img'], capture_output=True, text=True).stdout
    assert ('/x' in names.split()) == (not keyed), names


def connected(path):
    end = socket.socket(socket.AF_UNIX)
    try:
        end.connect(str(path))
    except OSError:
        end.close()
        return None
    return end


# ---- ports that come and go ----

# As udev names a port by where it is plugged in, which serves boards that have no serial number.
BY_PATH = 'pci-0000:00:14.0-usb-0:1.{}:1.0-port0'


def test_ports_that_turn_up_are_taken_in(fresh):
    ports = fresh.dir / 'by-path'
    ports.mkdir()
    fresh.links = [f'serial:{ports}/*-port0@115200', f'unix:{fresh.dir}/*.board']
    fresh.start_daemon()
    assert fresh.http.get(fresh.api('/devices')).json() == {'devices': [], 'links': []}

    first = agent(fresh, f'pty:{ports / BY_PATH.format(1)}', name='first')
    fresh.online('first')
    assert device(fresh, 'first')['link']['name'] == f'serial:{ports / BY_PATH.format(1)}@115200'
    agent(fresh, f'unix:{fresh.dir}/x.board', name='second')
    fresh.online('second')

    # A second name of a port is no second port.
    (ports / 'pci-0000:00:14.0-usbv2-0:1.1:1.0-port0').symlink_to(os.readlink(ports / BY_PATH.format(1)))
    agent(fresh, f'pty:{ports / BY_PATH.format(2)}', name='third')
    fresh.online('third')
    assert len(fresh.http.get(fresh.api('/devices')).json()['links']) == 3

    # One that leaves is waited for; another board in its place is another device.
    (ports / 'pci-0000:00:14.0-usbv2-0:1.1:1.0-port0').unlink()
    first.stop()
    wait_for('absence', lambda: device(fresh, 'first')['state'] in ('absent', 'lost'))
    agent(fresh, f'pty:{ports / BY_PATH.format(1)}', name='fourth')
    fresh.online('fourth')
    assert link(fresh, f'serial:{ports / BY_PATH.format(1)}@115200')['device'] == 'fourth'


def test_a_glob_is_checked_before_it_matches(tmp_path):
    done = subprocess.run([BIN / 'flashportd', '--check-config', '--link', f'serial:{tmp_path}/*@12345'], capture_output=True, text=True)
    assert done.returncode == 2 and 'baud' in done.stderr


# ---- restarts ----

@pytest.mark.parametrize('listen', ['unix', 'pty'])
def test_a_device_comes_back_after_a_restart(fresh, listen):
    agent(fresh, f'{listen}:{fresh.dir}/s')
    wait_for('the agent', lambda: os.path.lexists(fresh.dir / 's'))
    fresh.links = [f'unix:{fresh.dir}/s' if listen == 'unix' else f'serial:{fresh.dir}/s@115200']
    fresh.start_daemon()
    fresh.online('dev')
    before = device(fresh)['epoch']
    assert fresh.http.put(fresh.api('/devices/dev/fs/flash/x'), data=b'kept').status_code == 201
    assert fresh.http.post(fresh.api('/devices/dev/reboot')).status_code == 204
    wait_for('its return', lambda: (d := device(fresh))['state'] == 'online' and d['epoch'] != before)
    assert fresh.http.get(fresh.api('/devices/dev/fs/flash/x')).content == b'kept'
