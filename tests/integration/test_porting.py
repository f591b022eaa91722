# SPDX-License-Identifier: MIT
"""docs/porting.md followed to the letter, from an empty folder to a board that the daemon lists.

What stands in its fenced blocks is all that is done here: commands are run, and what is to be
filled in stands in for the place of that name. The board is QEMU's.
"""
import json
import os
import pathlib
import re
import signal
import subprocess

import pytest

from bed import BIN, SANITIZER

pytestmark = pytest.mark.firmware

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / 'docs' / 'porting.md'
TEMPLATE = ROOT / 'device-agent' / 'ports' / 'template'
BLOCK = re.compile(r'^<!-- (run|fill|packages)(?:: (\S+): (\S+))? -->\n```\w+\n(.*?)^```$', re.M | re.S)


def place(name):
    """The comment, and the lines under it up to an empty line or a closing brace."""
    return re.compile(rf'^ */\* FILL IN {re.escape(name)}:.*?\*/\n(?:(?! *\}})[^\n]*\S[^\n]*\n)*', re.M | re.S)


def blocks(kind=None):
    found = BLOCK.findall(PAGE.read_text())
    return [block for block in found if kind in (None, block[0])]


def fill(folder, file, name, text):
    path = folder / file
    filled, count = place(name).subn(lambda _: text, path.read_text())
    assert count == 1, f'{file} has {count} places {name}'
    path.write_text(filled)


class Follower:
    """Someone who has the page, an empty folder and a shell."""

    def __init__(self, folder):
        self.folder, self.shells = folder, []
        self.env = {key: value for key, value in os.environ.items() if key in ('HOME', 'LANG', 'TMPDIR', 'CMAKE_BUILD_PARALLEL_LEVEL')}
        self.env |= {'FLASHPORT': str(ROOT), 'PATH': f'{BIN}:/usr/bin:/bin'}

    def run(self, commands):
        """What it prints. What it leaves running goes on, and prints into a file."""
        with open(self.folder / 'printed', 'ab') as printed:
            at = printed.tell()
            shell = subprocess.Popen(['bash', '-euc', commands], cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL,
                                     stdout=printed, stderr=printed, start_new_session=True)
        self.shells.append(shell)
        status = shell.wait(300)
        said = (self.folder / 'printed').read_bytes()[at:].decode(errors='replace')
        assert status == 0, f'{commands}\n{said}'
        return said

    def close(self):
        for shell in self.shells:
            try:
                os.killpg(shell.pid, signal.SIGTERM)
            except ProcessLookupError:
                pass    # it left nothing running


@pytest.fixture(scope='module')
def follower(tmp_path_factory):
    made = Follower(tmp_path_factory.mktemp('porting'))
    try:
        yield made
    finally:
        made.close()


def test_the_packages_it_names_are_debians():
    [(_, _, _, text)] = blocks('packages')
    done = subprocess.run(['dpkg-query', '-W', *text.split('install ')[1].split()], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_place_of_the_template_is_on_the_page():
    """Those that a micro:bit leaves as they are aside."""
    asked = {(f'board/{path.name}', name) for path in TEMPLATE.iterdir() for name in re.findall(r'FILL IN ([\w-]+):', path.read_text())}
    told = {(file, name) for _, file, name, _ in blocks('fill')}
    assert asked - told == {('board/chip.c', 'restart'), ('board/flash.c', 'read'), ('board/flash.c', 'flash-start')}
    assert told <= asked


def test_an_empty_folder_becomes_a_board_that_the_daemon_lists(follower):
    for kind, file, name, text in blocks():
        if kind == 'run':
            said = follower.run(text)
        elif kind == 'fill':
            fill(follower.folder, file, name, text)
    assert re.search(r'\bhello\.txt\b', said), said

    devices = json.loads(follower.run('flashport --socket daemon.sock devices --json'))
    [board] = devices['devices'] if isinstance(devices, dict) else devices
    assert board['id'] == 'board-1234567800000003' and board['state'] == 'online', board
    told = follower.run(f'flashport --socket daemon.sock devices {board["id"]} --stats')
    assert int(re.search(r'^board\.stack_free_bytes +(\d+)$', told, re.M).group(1)) >= 256, told
    assert follower.run('flashport --socket daemon.sock cat board-1234567800000003:/flash/hello.txt') == 'hello\n'
    printed = (follower.folder / 'printed').read_text()
    assert not SANITIZER.search(printed), printed
