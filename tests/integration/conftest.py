# SPDX-License-Identifier: MIT
"""What the suites share: beds of real processes (tests/tools/bed.py).

    bed     a daemon and one agent `dev`, formatted and online, for a module;
            each test gets a folder of its own on the device (`folder`)
    fresh   a bed of its own for one test, nothing started yet

The daemon is asked over HTTP with requests (`bed.http`, which carries the
admin's token) and with curl (`curl`). At the end of a bed every process is
stopped in order, and what a sanitizer said fails the test.
"""
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'tools'))
from bed import Bed  # noqa: E402


def add_agent(bed, name, listen, make=Bed.agent, **options):
    """An agent, or what else `make` makes, at a link of its kind; a pty is the serial port of a laptop."""
    made = make(bed, name, listen=listen, **options)
    if listen == 'pty':
        bed.links.append(f'serial:{bed.dir / (name + ".pty")}@921600')
    return made


@pytest.fixture(scope='module', params=['unix', 'pty'])
def bed(request):
    with Bed() as made:
        add_agent(made, 'dev', request.param, blocks=256)
        made.start_daemon()
        made.online('dev')
        yield made


@pytest.fixture
def fresh():
    with Bed() as made:
        yield made


@pytest.fixture
def folder(bed, request):
    """URL of a new directory on the device, without a trailing slash."""
    name = ''.join(c if c.isalnum() else '-' for c in request.node.name)[:60]
    url = bed.api(f'/devices/dev/fs/flash/{name}')
    reply = bed.http.request('MKCOL', url + '/')
    assert reply.status_code == 201, reply.text
    yield url
    reply = bed.http.delete(url + '/?recursive=1')
    assert reply.status_code == 204, reply.text


@pytest.fixture
def curl(bed):
    """curl(*args) -> (status, body): the real thing, as people type it; no normalising of paths."""
    def run(*args):
        done = subprocess.run(['curl', '-sS', '--path-as-is', '-H', f'Authorization: {bed.http.headers["Authorization"]}',
                               '-w', '\n%{http_code}', *args], capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        body, _, status = done.stdout.rpartition(b'\n')
        return int(status), body
    return run
