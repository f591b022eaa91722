# SPDX-License-Identifier: MIT
"""`flashport image shell`, typed at a terminal (a pty) and fed from a script.

At the pty nothing is timed: each step waits for the text that must come, and
fails if it does not come at all.
"""
import hashlib
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time

import pytest

from test_image_manifests import BIN
from images import flashport, heed_signals

pytestmark = pytest.mark.images

HERE = {'notes.txt': b'from here\n', 'sub dir/inner.txt': b'inner\n', 'sub dir/it\'s "new".txt': b'quotes\n'}
IN = {'readme.txt': b'read me\n', 'config.json': b'{}\n', 'lib/boot.py': b'boot\n', 'lib/two words.txt': b'two words\n',
      'lib/it\'s $HOME.txt': b'quoted\n', 'grüße/ß.txt': b'utf\n'}
WITHIN = int(os.environ.get('FP_TEST_WITHIN', 60))   # seconds, before what must come counts as missing
CTRL_C, CTRL_D, TAB, UP = '\x03', '\x04', '\t', '\x1b[A'


def write(folder, files):
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


@pytest.fixture
def place(tmp_path):
    """A folder to be in, with files, and flash.img"""
    flashport('create', tmp_path / 'flash.img', write(tmp_path / 'in', IN), '--size', '1M')
    write(tmp_path / 'here', HERE)
    os.rename(tmp_path / 'flash.img', tmp_path / 'here' / 'flash.img')
    return tmp_path / 'here'


def screen(raw):
    """What a terminal shows of it: text, and the few movements that a line editor makes"""
    lines, col = [''], 0
    for text, code, move in re.findall('([^\x1b\r\n\b]+|[\r\n\b])|\x1b\\[([0-9;]*)([A-Za-z])', raw):
        line, n = lines[-1], int(code or 1) if code.isdigit() or not code else 1
        if text == '\n':
            lines.append('')
        elif text in ('\r', '\b'):
            col = 0 if text == '\r' else max(col - 1, 0)
        elif text:
            text = text.replace('\a', '')
            lines[-1] = line[:col].ljust(col) + text + line[col + len(text):]
            col += len(text)
        elif move in 'KJ':
            lines[-1] = line[:col]
        elif move in 'GCD':
            col = {'G': n - 1, 'C': col + n, 'D': max(col - n, 0)}[move]
        elif move == 'P':
            lines[-1] = line[:col] + line[col + n:]
        elif move == '@':
            lines[-1] = line[:col] + ' ' * n + line[col:]
    return '\n'.join(lines)


class Terminal:
    """The shell at a terminal; `type` types and waits for what is to appear."""

    def __init__(self, place, **env):
        self.raw, self.past, (self.pid, self.fd) = b'', 0, pty.fork()
        if self.pid == 0:
            heed_signals()
            os.chdir(place)
            os.environ.update(TERM='xterm', XDG_STATE_HOME=str(place.parent / 'state'), LC_ALL='C.UTF-8', COLUMNS='200', **env)
            os.execv(BIN / 'flashport', ['flashport', 'image', 'shell', 'flash.img'])
        self.wait('> ')

    def wait(self, text, within=WITHIN):
        """What the screen shows from where the last wait ended up to `text`"""
        end = time.monotonic() + within
        while True:
            shown = screen(self.raw.decode(errors='replace'))[self.past:]
            if text in shown:
                at = shown.index(text) + len(text)
                self.past += at
                return shown[:at]
            assert time.monotonic() < end, f'waited for {text!r}, saw {shown!r}'
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    more = os.read(self.fd, 65536)
                except OSError:
                    more = b''
                assert more, f'it has left; waited for {text!r}, saw {shown!r}'
                self.raw += more

    def write(self, keys):
        """Once the editor reads keys: before that the terminal would take them for its own"""
        end = time.monotonic() + WITHIN
        while termios.tcgetattr(self.fd)[3] & termios.ICANON:
            assert time.monotonic() < end, 'no prompt'
            time.sleep(0.001)
        os.write(self.fd, keys.encode())

    def type(self, keys, until):
        self.write(keys)
        return self.wait(until)

    def run(self, line):
        """What the line prints"""
        self.write(line + '\n')
        self.wait('\n')
        return self.wait('> ')

    def leave(self, keys=CTRL_D):
        self.write(keys)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    os.read(self.fd, 65536)
                except OSError:
                    pass
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
        raise AssertionError('it does not leave')


@pytest.fixture
def terminal(place):
    shell = Terminal(place)
    yield shell
    try:
        os.kill(shell.pid, signal.SIGKILL)
        os.waitpid(shell.pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


# --- at a terminal --------------------------------------------------------------

def test_commands_complete(terminal):
    assert 'pwd' in terminal.type('pw' + TAB, 'pwd ')
    assert terminal.type('\n', '> ').strip().startswith('/')
    assert 'info' in terminal.type('i' + TAB, 'info ')
    terminal.type(CTRL_C, '> ')
    shown = terminal.type('c' + TAB, 'c')           # several: they are listed
    shown += terminal.wait('flash.img:/> c')
    assert {'cat', 'cd', 'check'} <= set(shown.split())


@pytest.mark.parametrize('typed, completed, prints', [
    ('cat rea\t', 'cat readme.txt ', 'read me'),
    ('cat li\tb\t', 'cat lib/boot.py ', 'boot'),
    ('cat lib/tw\t', 'cat lib/two\\ words.txt ', 'two words'),
    ('cat "lib/tw\t', 'cat "lib/two words.txt" ', 'two words'),
    ("cat 'lib/tw\t", "cat 'lib/two words.txt' ", 'two words'),
    ('cat lib/it\t', "cat lib/it\\'s\\ $HOME.txt ", 'quoted'),
    ('cat "lib/it\t', 'cat "lib/it\'s $HOME.txt" ', 'quoted'),
    ("cat 'lib/it\t", "cat 'lib/it'\\''s $HOME.txt' ", 'quoted'),
    ('cat gr\t\t', 'cat grüße/ß.txt ', 'utf'),
])
def test_paths_in_the_image_complete_as_they_are_quoted(terminal, typed, completed, prints):
    terminal.type(typed, completed)
    assert terminal.type('\n', prints + '\n')


def test_paths_here_complete(terminal):
    terminal.type('put no' + TAB, 'put notes.txt ')
    terminal.type('li' + TAB, 'lib/')               # and then where to, in the image
    terminal.type('\n', '> ')
    terminal.type('put sub' + TAB, 'put sub\\ dir/')
    terminal.type('it' + TAB, 'it\\\'s\\ \\"new\\".txt ')
    terminal.type('\n', '> ')
    terminal.type('get readme.txt su' + TAB, 'sub\\ dir/')
    terminal.type('\n', '> ')
    assert {'notes.txt', 'it\'s "new".txt'} <= set(re.split('\r?\n', terminal.run('ls') + terminal.run('ls lib')))


def test_history_outlives_the_shell(terminal, place):
    terminal.run('cat readme.txt')
    terminal.run('pwd')
    assert terminal.leave() == 0
    state = place.parent / 'state' / 'flashport'
    assert (state / 'history').stat().st_mode & 0o777 == 0o600 and [p.name for p in state.iterdir()] == ['history']
    again = Terminal(place)
    again.type(UP + UP, 'cat readme.txt')           # past pwd
    again.type('\n', 'read me\n')
    assert again.leave('exit\n') == 0


def test_a_missing_file_is_named_and_the_shell_goes_on(terminal):
    assert '/nix: no such file' in terminal.run('cat nix')
    assert 'No such file' in terminal.run('put nix')
    assert 'not a directory' in terminal.run('cd readme.txt')
    assert 'no such command: frob' in terminal.run('frob')
    assert 'a quote is open' in terminal.run('cat "readme.txt')
    assert 'it is: rm' in terminal.run('rm -x readme.txt')
    assert 'read me' in terminal.run('cat readme.txt')


def test_ctrl_c_empties_the_line(terminal):
    terminal.type('rm readme.txt', 'rm readme.txt')
    terminal.type(CTRL_C, '> ')
    assert 'read me' in terminal.run('cat readme.txt')


def test_an_interrupted_put_leaves_the_image_and_the_shell(terminal, place):
    """Ctrl-C while the copy that is being changed is there"""
    image, copy = place / 'flash.img', place / '.flash.img.flashport'
    terminal.leave()
    flashport('create', '--force', image, place.parent / 'in', '--size', '24M')
    (place / 'large').write_bytes(hashlib.shake_128(b'large').digest(16 << 20))
    before, shell = image.read_bytes(), Terminal(place)
    shell.write('put large\n')
    end = time.monotonic() + 60
    while not copy.exists():
        assert time.monotonic() < end, 'put has not begun'
    os.write(shell.fd, CTRL_C.encode())
    assert 'put was interrupted' in shell.wait('> ').split('put large', 1)[1] 
    assert image.read_bytes() == before and not copy.exists()
    assert 'large' not in shell.run('ls')
    shell.run('put notes.txt')
    assert 'from here' in shell.run('cat notes.txt')
    assert shell.leave() == 0
    assert b'clean' in flashport('check', image).stdout


# --- from a script --------------------------------------------------------------

def script(place, text, ok=0, image='flash.img'):
    done = subprocess.run([BIN / 'flashport', 'image', 'shell', image], input=text.encode(), capture_output=True, timeout=120, cwd=place)
    assert done.returncode == ok, (done.stdout, done.stderr)
    return done.stdout.decode(), done.stderr.decode()


def test_commands_do_what_the_verbs_do(place):
    out, err = script(place, '''
        # a script
        mkdir -p new/deep
        cd new/deep/..
        pwd
        put 'sub dir' ../notes.txt/
        ''', ok=4)
    assert out == '/new\n' and 'stopped at line 6' in err
    out, err = script(place, r'''cd new
        put "sub dir" notes.txt deep
        mv deep/notes.txt ../moved.txt
        rm -r deep/sub\ dir/inner.txt
        tree /
        cd ..
        get lib got
        get moved.txt readme.txt got
        rm -r lib
        exit
        frob''')
    assert out == '''config.json
grüße/
  ß.txt
lib/
  boot.py
  it's $HOME.txt
  two words.txt
moved.txt
new/
  deep/
    sub dir/
      it's "new".txt
readme.txt
'''
    found = {p.name: p.read_bytes() for p in (place / 'got').iterdir()}
    assert found == {'moved.txt': b'from here\n', 'readme.txt': b'read me\n', 'boot.py': b'boot\n', 'two words.txt': b'two words\n', "it's $HOME.txt": b'quoted\n'}
    assert b'boot.py' not in flashport('ls', place / 'flash.img').stdout


def test_a_script_from_windows_is_one_too(place):
    assert script(place, 'cd lib\r\npwd\r\n\r\n# nothing\r\nmkdir new\r\nexit\r\n') == ('/lib\n', '')
    assert b'/lib/new/\n' in flashport('ls', place / 'flash.img').stdout


@pytest.mark.parametrize('line, status', [
    ('cat nix', 4), ('put nix', 4), ('cd nix', 4), ('rm lib', 2), ('frob', 2), ('cat', 2), ('cat "x', 2), ('ls -z', 2), ('put - x', 2), ('get nix', 4), ('put large', 7), ('rm -f nix\nexit', 0)])
def test_the_first_error_ends_a_script(place, line, status):
    (place / 'large').write_bytes(bytes(2 << 20))
    before = (place / 'flash.img').read_bytes()
    out, err = script(place, f'pwd\n{line}\nmkdir late\n', ok=status)
    assert out == '/\n' and bool(err) == bool(status)
    assert (place / 'flash.img').read_bytes() == before


def test_an_image_that_cannot_be_opened_has_no_shell(place):
    assert 'no filesystem found' in script(place, 'ls\n', ok=3, image='notes.txt')[1]
    script(place, 'ls\n', ok=4, image='nix')
