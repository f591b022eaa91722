# SPDX-License-Identifier: MIT
"""What is said when something cannot be: in the shell, and over HTTP.

`harbour` has a card with FAT, /sd, and an empty chip, /flash.
"""
import pytest

from bed import Bed
from test_cli import Shell


@pytest.fixture(scope='module')
def shell():
    with Bed() as bed:
        where = bed.place('harbour', 'unix')
        agent = bed.process('harbour', 'flashport-agent', '--id', 'harbour', '--storage', f'sd={bed.dir}/card.img,kind=card,count=4096',
                            '--storage', f'chip={bed.dir}/chip.img,block=4096,count=64,prog=256', '--mount', '/sd=sd:fat',
                            '--mount', '/flash=chip', '--format', 'fat', '--listen', f'unix:{where}')
        yield Shell(bed, bed.listens(agent, 'unix', where))


@pytest.fixture
def hello(tmp_path):
    path = tmp_path / 'hello.txt'
    path.write_text('hello')
    return path


# --- names that a volume cannot hold ------------------------------------------

NAMES = [('a:b', "it cannot have ':', nor any of"), ('a\\b', 'it cannot have a backslash'), ('dot.', 'end with a dot or a blank; "dot" would do'),
         ('blank ', '"blank" would do'), ('bell\x07', 'it cannot have control characters'), ('n' * 256, 'it has 256 bytes, and 255 are the most')]


@pytest.mark.parametrize('name, words', NAMES, ids=[n[:8] for n, _ in NAMES])
def test_a_name_that_fat_cannot_hold_is_told_why(shell, hello, name, words):
    shell('cp', hello, 'harbour:/sd/fine')
    for command in (['cp', hello], ['mkdir'], ['mv', 'harbour:/sd/fine']):
        said = shell(*command, f'harbour:/sd/{name}', code=1).err
        assert ' is no name on fat: ' in said and words in said and said.count('\n') == 1, said
    files = shell.bed.api('/devices/harbour/fs/sd/')
    quoted = ''.join(f'%{b:02X}' for b in name.encode())
    for reply in (shell.bed.http.put(files + quoted, data=b'x'),
                  shell.bed.http.request('COPY', files + 'fine', headers={'Destination': files + quoted})):
        told = reply.json()
        assert words in told['detail'] and told['path'] == f'/sd/{name}' and told['device'] == 'harbour', told
        if len(name) > 255:
            assert (reply.status_code, told['type'], told['limit']) == (422, '/errors/name-too-long', 255), told
        else:
            assert (reply.status_code, told['type'], told['code']) == (400, '/errors/bad-name', 'INVAL'), told
    assert shell('ls', 'harbour:/sd').out == 'fine\n'


# --- another filesystem than the one that is there ------------------------------


def test_a_mount_by_the_wrong_name_tells_what_is_there(shell):
    shell('unmount', 'harbour:/sd')
    said = shell('mount', '--fs', 'littlefs', 'harbour:/sd', code=1).err
    assert said == 'flashport: harbour:/sd: No such filesystem on sd, which holds fat.\n'
    reply = shell.bed.http.post(shell.bed.api('/devices/harbour/volumes/sd'), json={'action': 'mount', 'fs': 'littlefs'})
    assert reply.status_code == 400 and 'which holds fat' in reply.json()['detail'], reply.text
    shell('mount', '--fs', 'fat', 'harbour:/sd')
    assert 'no filesystem on chip, it is erased' in shell('mount', '--fs', 'fat', 'harbour:/flash', code=4).err.replace('No', 'no')


# --- lists ----------------------------------------------------------------------


def test_a_list_of_snapshots_says_of_what_they_are(fresh):
    where = fresh.place('board', 'unix')
    agent = fresh.process('board', 'flashport-agent', '--id', 'board', '--storage', f'flash0={fresh.dir}/b.img,block=4096,count=16,prog=256',
                          '--region', 'model=flash0@32K+32K', '--mount', '/flash=flash0:littlefs', '--format', 'littlefs', '--listen', f'unix:{where}')
    fresh.listens(agent, 'unix', where)
    fresh.links.append(f'unix:{fresh.dir}/harbour.unix')
    fresh.agent('harbour', listen='unix')
    shell = Shell(fresh, agent)
    fresh.online('board')
    whole, part = shell('backup', 'board').out.strip(), shell('backup', 'board', 'flash0/model').out.strip()
    lines = {line.split()[0]: line.split()[1] for line in shell('snapshots').out.splitlines()}
    assert lines == {whole: 'board:flash0', part: 'board:flash0/model'}


def test_columns_hold_with_long_names(fresh):
    long = 'a-board-with-quite-a-long-name-on-it'
    for name in ('harbour', long):
        fresh.agent(name, listen='unix')
    shell = Shell(fresh, fresh.processes[0])
    fresh.online(long)
    fresh.http.patch(fresh.api('/devices/harbour'), json={'label': 'grüner Hafen am Meer'})
    for command, column in (('devices', 'STATE'), ('devices', 'VOLUMES'), ('df', 'FS')):
        head, *rows = shell(command).out.splitlines()
        at = head.index(column)
        word = {'STATE': 'online', 'VOLUMES': '/flash(littlefs)', 'FS': 'littlefs'}[column]
        assert [row[at:].split()[0] for row in rows] == [word] * 2, (head, rows)
