# SPDX-License-Identifier: MIT
"""What is said when something cannot be: in the shell, and over HTTP.

`harbour` has a card with FAT, /sd, and an empty chip, /flash.
"""
import json
import os
import pty
import re
import subprocess

import pytest

from bed import BIN, Bed
from test_cli import UNKNOWN, Shell


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


# --- errors for programs ----------------------------------------------------------

ERRORS = [('ls nope:/sd', 4, 'unknown-device', 'No device has'), ('ls harbour:/sd/none', 4, 'not-found', 'There is nothing of this name'),
          ('cp /nonexistent harbour:/sd/', 4, None, '/nonexistent: '), ('cp one', 2, None, 'a source and a target'),
          ('ls --frob harbour:/sd', 2, None, '--frob'), ('--frob ls', 2, None, '--frob'), ('frob', 2, None, 'no such command: frob'), ('', 2, None, 'which command'),
          ('mount --fs', 2, None, '--fs'), ('snapshots rm', 2, None, 'no such form'), ('snapshots ls zzzz', 4, None, 'zzzz'),
          ('devices --url http://127.0.0.1:1', 9, None, 'cannot reach'), ('devices --token wrong', 8, 'unauthorized', 'unknown or expired'),
          ('image ls /nonexistent', 4, None, '/nonexistent'), ('image frob x', 2, None, 'frob'), ('rm harbour:/sd', 8, 'volume-root', "can't be deleted"),
          ('backup harbour none', 4, 'not-found', 'none'), ('jobs show 00000000', 4, None, 'job')]


@pytest.mark.parametrize('typed, code, kind, words', ERRORS, ids=[e[0] for e in ERRORS])
def test_after_json_an_error_is_one_document_of_one_shape(shell, typed, code, kind, words):
    done = subprocess.run([BIN / 'flashport', '--json', *typed.split()], capture_output=True, text=True, env=shell.env, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (code, ''), done
    doc = json.loads(done.stderr)
    assert done.stderr.count('\n') == 1 and list(doc) == ['error'] and set(doc['error']) <= {'exit', 'text', 'problem'}, done.stderr
    assert doc['error']['exit'] == code and words in doc['error']['text'], doc
    assert doc['error'].get('problem', {}).get('type') == (kind and f'/errors/{kind}'), doc


def test_several_sentences_are_one_document(shell, tmp_path):
    source = tmp_path / 'some'
    source.mkdir()
    for i in range(12):
        (source / f'f{i}').write_text('x')
    os.mkfifo(source / 'pipe')
    done = subprocess.run([BIN / 'flashport', 'cp', '-r', source, 'harbour:/sd/', '--json'], capture_output=True, text=True, env=shell.env)
    text = json.loads(done.stderr)['error']['text']
    assert done.returncode == 1 and 'pipe: not a regular file. ' in text and 'copied before that' in text, text
    shell('rm', '-r', 'harbour:/sd/some')


# --- what asks first --------------------------------------------------------------


def test_nobody_to_ask_is_wrong_usage(shell):
    snapshot = shell('backup', 'harbour').out.strip()
    before = shell.bed.http.get(shell.bed.api('/jobs')).json()
    for command in (['restore', snapshot, 'harbour'], ['format', '--fs', 'fat', 'harbour:/sd']):
        assert 'no terminal to answer at: say --yes' in shell(*command, code=2).err
        done = subprocess.run([BIN / 'flashport', *command, '--json'], capture_output=True, env=shell.env, stdin=subprocess.DEVNULL)
        assert json.loads(done.stderr)['error']['exit'] == done.returncode == 2, done
    assert shell.bed.http.get(shell.bed.api('/jobs')).json() == before


def test_who_says_no_changes_nothing(shell):
    near, far = pty.openpty()
    os.write(near, b'n\n')
    done = subprocess.run([BIN / 'flashport', 'format', '--fs', 'fat', 'harbour:/sd'], capture_output=True, text=True, env=shell.env, stdin=far)
    os.close(near), os.close(far)
    assert done.returncode == 1 and done.stderr == 'Format harbour:/sd, which loses all that is on it? [y/N] ', done


def test_a_restore_goes_to_the_socket_that_is_named(shell, tmp_path):
    """Its letter was that of --smaller."""
    assert str(tmp_path) in shell('restore', '-y', '--socket', tmp_path / 'none', 'x' * 36, 'harbour', code=9).err


# --- streams ----------------------------------------------------------------------


def run(shell, *args, **how):
    return subprocess.run([BIN / 'flashport', *args], capture_output=True, env=shell.env, timeout=60, **how)


def test_cp_from_stdin_and_to_stdout(shell):
    content = os.urandom(200_000)
    done = run(shell, 'cp', '-', 'harbour:/sd/piped', '--json', input=content)
    assert done.returncode == 0 and json.loads(done.stdout) == {'files': 1, 'bytes': 200_000}, done
    for args in (['harbour:/sd/piped', '-'], ['harbour:/sd/piped', '-', '--json']):
        assert run(shell, 'cp', *args).stdout == content
    assert run(shell, 'cp', '-', 'harbour:/sd/piped', input=b'').returncode == 0
    assert run(shell, 'cp', 'harbour:/sd/piped', '-').stdout == b''
    shell('rm', 'harbour:/sd/piped')
    for args, code, words in (('- harbour:/sd', 2, 'needs a name in it'), ('- harbour:/sd/', 2, 'needs a name in it'), ('- -', 2, 'one side'),
                              ('- x', 2, 'one side'), ('-r harbour:/sd -', 2, 'one file'), ('- - harbour:/sd/x', 2, 'one file'),
                              ('harbour:/sd/none -', 4, 'nothing of this name'), ('harbour:/sd -', 6, 'cp -r copies all')):
        done = run(shell, 'cp', *args.split(), input=b'x')
        assert done.returncode == code and words in done.stderr.decode() and not done.stdout, (args, done)
    big = run(shell, 'cp', '-', 'harbour:/sd/big', input=bytes(3 << 20))
    assert big.returncode == 7 and b'bytes free' in big.stderr, big


# --- the store, labels, tokens --------------------------------------------------------


def test_verify_and_prune(shell):
    snapshot = shell('backup', 'harbour', 'sd').out.strip()
    assert re.fullmatch(r'[1-9]\d* chunks?, [0-9.]+[KM]?: whole\n', shell('verify', snapshot[-12:]).out)
    assert json.loads(shell('verify', '--json').out)['result']['bad'] == 0
    shell('snapshots', 'rm', snapshot)
    assert re.fullmatch(r'freed [0-9.]+[KM]? in \d+ chunks?\n', shell('prune').out)
    job = shell('prune', '--no-wait').out.strip()
    assert 'prune' in shell('jobs', 'wait', job).out
    assert json.loads(shell('prune', '--json').out)['result']['freed_chunks'] == 0
    for args, code in (('verify a b', 2), ('prune a', 2), ('verify zzzz', 4)):
        shell(*args.split(), code=code)


def test_labels(shell):
    shell('label', 'harbour', 'gate, left')
    assert shell.bed.device('harbour')['label'] == 'gate, left'
    assert shell('ls', 'gate, left:/sd').out == shell('ls', 'harbour:/sd').out
    assert json.loads(shell('label', 'harbour', '--remove', '--json').out)['label'] is None
    assert shell('label', 'nope', 'x', code=4).err == f'flashport: {UNKNOWN}\n'
    assert 'without control' in shell('label', 'harbour', 'a/b', code=1).err
    for args in (['harbour'], ['harbour', 'x', '--remove'], []):
        shell('label', *args, code=2)


def test_tokens(shell):
    secret = shell('tokens', 'add', 'bench', '--scope', 'write', '--device', 'harbour', '--expires', '3600').out.strip()
    shell('mkdir', 'harbour:/sd/by-token', '--token', secret)
    shell('rm', 'harbour:/sd/by-token', '--token', secret)
    assert 'of scope "admin"' in shell('tokens', '--token', secret, code=8).err
    [line] = [line for line in shell('tokens').out.splitlines() if 'bench' in line]
    assert ' write ' in line and line.endswith('  for harbour') and '  until ' in line, line
    shell('tokens', 'rm', line.split()[0][-12:])
    assert 'unknown or expired' in shell('ls', 'harbour:/sd', '--token', secret, code=8).err
    assert secret not in shell('tokens').out
    made = json.loads(shell('tokens', 'add', 'looker', '--json').out)
    assert made['scope'] == 'read' and made['devices'] == [] and made['token']
    for args, code in (('add', 2), ('add a b', 2), ('rm', 2), ('rm zzzz', 4), ('list --scope write', 2), ('add x --scope all', 1), ('add x --expires soon', 2)):
        shell('tokens', *args.split(), code=code)
