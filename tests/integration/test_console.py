# SPDX-License-Identifier: MIT
"""What a firmware prints, between and inside transfers: kept, read, shown safely."""
import os
import select
import socket
import subprocess
import threading

import pytest
from bed import BIN, Bed, wait_for
from conftest import add_agent

KEPT = 64 * 1024


@pytest.fixture(params=['--console', '--raw-console'])
def bed(request):
    with Bed() as made:
        made.agent_process = add_agent(made, 'dev', 'pty', blocks=256, extra=[request.param], stdin=subprocess.PIPE)
        made.start_daemon()
        made.online('dev')
        yield made


@pytest.fixture
def framed():
    """Text in frames of its own, which a wire that is in use does not tear."""
    with Bed() as made:
        made.agent_process = add_agent(made, 'dev', 'pty', blocks=256, extra=['--console'], stdin=subprocess.PIPE)
        made.start_daemon()
        made.online('dev')
        yield made


def say(bed, text):
    bed.agent_process.child.stdin.write(text)
    bed.agent_process.child.stdin.flush()


def console(bed, since=None):
    reply = bed.http.get(bed.api('/devices/dev/console'), params={} if since is None else {'since': since})
    assert reply.status_code == 200, reply.text
    return reply.json()


def printed(bed, end, since=None):
    return wait_for(end, lambda: (c := console(bed, since))['text'].endswith(end) and c)


def cli(bed, *args, **options):
    env = {**os.environ, 'FLASHPORT_SOCKET': str(bed.dir / 'd.sock')}
    return subprocess.run([BIN / 'flashport', *args], env=env, capture_output=True, timeout=60, **options)


def test_positions_count_bytes_and_go_on(bed):
    assert console(bed) == {'text': '', 'from': 0, 'next': 0}
    say(bed, 'erste Zeile: ä\n'.encode())
    first = printed(bed, 'ä\n')
    assert first == {'text': 'erste Zeile: ä\n', 'from': 0, 'next': 16}
    assert console(bed, 16) == {'text': '', 'from': 16, 'next': 16}
    say(bed, b'second\n')
    assert printed(bed, 'second\n', 16) == {'text': 'second\n', 'from': 16, 'next': 23}
    assert console(bed, 22)['text'] == '\n'


def test_text_inside_transfers_harms_none(bed):
    content = os.urandom(300_000)
    url = bed.api('/devices/dev/fs/flash/file')
    end = '\nand the last line\n'
    for turn in range(3):
        say(bed, b''.join(b'turn %d line %d\n' % (turn, i) for i in range(100)))
        assert bed.http.put(url, data=content).status_code in (201, 204)
        say(bed, b'down\n' * 100)
        assert bed.http.get(url).content == content
    say(bed, end.encode())
    assert 'turn 0 line' in printed(bed, end)['text']


def test_text_inside_transfers_arrives_whole_in_frames(framed):
    url = framed.api('/devices/dev/fs/flash/file')
    lines = b''.join(b'line %d\n' % i for i in range(2000))
    say(framed, lines)
    for content in (os.urandom(200_000), os.urandom(200_000)):
        assert framed.http.put(url, data=content).status_code in (201, 204)
        assert framed.http.get(url).content == content
    assert printed(framed, 'line 1999\n')['text'].encode() == lines


def test_a_lost_link_loses_no_text_of_before(framed):
    say(framed, b'before\n')
    printed(framed, 'before\n')
    framed.agent_process.kill()
    wait_for('absence', lambda: framed.http.get(framed.api('/devices/dev')).json()['state'] != 'online')
    assert console(framed)['text'] == 'before\n'
    framed.agent_process.stdin = subprocess.PIPE
    framed.agent_process.restart()
    framed.online('dev')
    say(framed, b'after\n')
    assert printed(framed, 'after\n', 7) == {'text': 'after\n', 'from': 7, 'next': 13}


def boot_then_shuttle(server, agent):
    """A board behind `server`: prints as it starts, and only then its agent answers."""
    host, _ = server.accept()
    host.sendall(b'rst:0x1 (POWERON), boot:0x13\r\n')
    device = socket.socket(socket.AF_UNIX)
    device.connect(str(agent))
    while True:
        for end in select.select([host, device], [], [])[0]:
            data = end.recv(65536)
            if not data:
                return
            (device if end is host else host).sendall(data)


def test_what_a_board_prints_as_it_starts_is_its(fresh):
    """Before anybody knows whose text it is."""
    fresh.agent('dev', listen='unix')
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(fresh.dir / 'board'))
    server.listen()
    fresh.links = [f'unix:{fresh.dir / "board"}']
    threading.Thread(target=boot_then_shuttle, args=(server, fresh.dir / 'dev.unix'), daemon=True).start()
    fresh.start_daemon()
    fresh.online('dev')
    assert console(fresh)['text'] == 'rst:0x1 (POWERON), boot:0x13\r\n'


def test_the_ring_is_bounded_and_a_gap_shows(framed):
    text = b''.join(b'%07d\n' % i for i in range(12_000))       # 96,000 bytes
    say(framed, text)
    whole = printed(framed, '0011999\n')
    assert whole == {'text': text[-KEPT:].decode(), 'from': len(text) - KEPT, 'next': len(text)}
    assert console(framed, 5)['from'] == len(text) - KEPT
    assert console(framed, len(text) + 100)['from'] == len(text) - KEPT     # a position of an earlier daemon
    done = cli(framed, 'console', 'dev', '--since', '5')
    assert done.returncode == 0 and done.stdout == text[-KEPT:] and b'30459 bytes are no longer kept' in done.stderr


def test_bytes_that_are_no_text(framed):
    say(framed, b'a\x00b\xff\xc3')
    assert printed(framed, '\ufffd') == {'text': 'a\x00b\ufffd', 'from': 0, 'next': 4}      # \xc3 may become a letter
    say(framed, b'\xa4!')
    assert printed(framed, '!') == {'text': 'a\x00b\ufffdä!', 'from': 0, 'next': 7}


def test_the_command_line_shows_it_safely(framed):
    say(framed, b'\x1b[0;32mI (31) boot: \x1b[0mok\r\n\ttab \x1b[2J\x1b]0;title\x07 \\x41\nend\n')
    printed(framed, 'end\n')
    done = cli(framed, 'console', 'dev')
    assert done.stdout == b'I (31) boot: ok\n\ttab \\x1b[2J\\x1b]0;title\\x07 \\x5cx41\nend\n'
    assert cli(framed, 'console', 'dev', '--since', '-1').returncode == 2
    assert cli(framed, 'console', 'nobody').returncode == 4


def test_following(framed):
    env = {**os.environ, 'FLASHPORT_SOCKET': str(framed.dir / 'd.sock')}
    with subprocess.Popen([BIN / 'flashport', 'console', '--follow', 'dev'], env=env, stdout=subprocess.PIPE) as follower:
        for line in (b'one\n', b'two\n', b'\x1b[1mthree\n'):
            say(framed, line)
            assert follower.stdout.readline() == line.replace(b'\x1b[1m', b'')
        follower.terminate()
