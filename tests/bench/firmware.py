# SPDX-License-Identifier: MIT
"""How fast files travel to and from real firmware and a real gadget, as shares of what a bare echo loop reaches on the same bed.

The echo firmware, built beside each port, has the same start, clock, UART driver and rings as the agent's and gives back
what comes; as many bytes are under way as the agent lets a host have. Its rate is of all bytes that pass the UART, in and
out: what the bed allows. Then a real daemon uploads and downloads random bytes, each compared. Runs of both take turns;
medians are told. In QEMU a byte out costs less than one in, so a download may be above the echo's rate. It models no baud
rate: on a board the line is the limit, which `./dev bench link` measures.

`gadget` is a guest with a kernel of its own (tests/tools/guest.py) and both ends of two USB cables in it. At one is
gadget_echo, which has flashport-gadget's wire and gives back what usb_pump sends it through the daemon's libusb link, with
all of its transfers under way; at the other flashport-gadget. What talks to the daemon runs in the guest as well.

usage: ./dev bench firmware [PORT...] [--runs N] [--size BYTES] [--json]
"""
import argparse
import contextlib
import json
import pathlib
import random
import socket
import statistics
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'tools'))
from bed import Bed, wait_for  # noqa: E402
from boards import BOARDS  # noqa: E402
from guest import ADDRESS, PROGRAMS, SLOW, GuestBed  # noqa: E402

PORTS = (*BOARDS, 'gadget')


def rate(work, size):
    """Bytes a second of work, which moves so many."""
    start = time.monotonic()
    work()
    return size / (time.monotonic() - start)


def echo(wire, data, under_way):
    """Sends and takes back data, with at most that much of it on its way: half is sent while half comes back."""
    step, back = under_way // 2, b''
    pieces = [data[at:at + step] for at in range(0, len(data), step)]
    wire.sendall(pieces[0])
    for piece, following in zip(pieces, [*pieces[1:], b'']):
        wire.sendall(following)
        back += wire.recv(len(piece), socket.MSG_WAITALL)   # one system call: boards send byte by byte
    assert back == data, f'{len(back)} of {len(data)} bytes came back, or others'


def connect(path):
    """A blocking socket, or MSG_WAITALL does not wait; it gives up after 10 seconds."""
    wire = socket.socket(socket.AF_UNIX)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('ll', 10, 0))
    wire.connect(str(path))
    return wire


class Port:
    """A board twice: with the echo loop, and with the agent and a daemon."""
    SIZE = 64 * 1024

    def __init__(self, kind, bed):
        self.kind, self.bed = kind, bed
        self.echo = self.start('echo', f'{kind.NAME}-echo')
        agent = self.start('dev')
        bed.links.append(f'unix:{agent.uart}')
        bed.start_daemon()
        bed.online(kind.ID)
        self.url = bed.api(f'/devices/{kind.ID}/fs/flash/bench')
        self.wire = connect(self.echo.uart)

    def start(self, name, program=None):
        board = self.kind(self.bed.dir, name, program).start()
        self.bed.processes.append(board)
        return board

    def upload(self, data):
        reply = self.bed.http.put(self.url, data=data)
        assert reply.status_code in (201, 204), reply.text

    def download(self, data):
        assert self.bed.http.get(self.url).content == data, 'other bytes came'

    def measure(self, run, size):
        """What one run gives, by what was done."""
        data = random.Random(run).randbytes(size)
        return {'echo': rate(lambda: echo(self.wire, data, self.kind.UNDER_WAY), 2 * size),
                'upload': rate(lambda: self.upload(data), size),
                'download': rate(lambda: self.download(data), size)}


class Gadget:
    """Two gadgets in a guest: with the echo loop, and with the agent and a daemon."""
    SIZE = 1 << 20
    UNDER_WAY = 4 * 16384   # the daemon's transfers
    ECHO = '1209:0002'      # which the daemon does not look for

    def __init__(self, bed):
        self.bed = bed
        bed.guest.spawn('echo.log', PROGRAMS / 'gadget_echo', 'echo', 'dummy_udc.0', self.ECHO)
        wait_for('the echo', lambda: 'serves on' in bed.run('cat /tmp/echo.log'), SLOW)
        bed.gadget('dev', '--udc', 'dummy_udc.1', blocks=2048)
        bed.serve('usb:')
        bed.online('dev')
        self.curl = ('curl', '-sS', '-f', '-H', f'Authorization: {bed.http.headers["Authorization"]}',
                     f'http://{ADDRESS}/api/v1/devices/dev/fs/flash/bench', '-w', '%{time_total}')

    def echo(self, size):
        return float(self.bed.run('timeout', 300, PROGRAMS / 'usb_pump', f'usb:{self.ECHO}:echo', size, self.UNDER_WAY))

    def transfer(self, size, *how):
        return size / float(self.bed.run(*self.curl, *how))

    def measure(self, run, size):
        self.bed.run(f'head -c {size} /dev/urandom >/tmp/sent')
        found = {'echo': self.echo(size), 'upload': self.transfer(size, '-T', '/tmp/sent'),
                 'download': self.transfer(size, '-o', '/tmp/came')}
        self.bed.run('cmp /tmp/sent /tmp/came')
        return found


@contextlib.contextmanager
def opened(name):
    """What is measured, by its name."""
    if name == 'gadget':
        with GuestBed() as bed:
            yield Gadget(bed)
    else:
        with Bed() as bed:
            yield Port(BOARDS[name], bed)


def bench(name, runs, size):
    with opened(name) as port:
        size = size or port.SIZE
        port.measure(0, size)   # not counted: it wakes everything up
        found = [port.measure(run, size) for run in range(1, runs + 1)]
    middle = {what: statistics.median(one[what] for one in found) for what in found[0]}
    shares = {what: statistics.median(one[what] / one['echo'] for one in found) for what in ('upload', 'download')}
    return {'port': name, 'bytes_per_s': {what: round(value) for what, value in middle.items()},
            'share_of_echo': {what: round(value, 3) for what, value in shares.items()}}


def told(rate):
    return f'{rate / 1e6:.2f} MB/s' if rate >= 1e6 else f'{rate / 1000:.0f} KB/s'


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument('ports', nargs='*', metavar='PORT', help=f'of {", ".join(PORTS)}; all')
    options.add_argument('--runs', type=int, default=5)
    options.add_argument('--size', type=int, help='bytes of a transfer; 64 KiB, and 1 MiB of the gadget')
    options.add_argument('--json', action='store_true')
    args = options.parse_args()
    unknown = [name for name in args.ports if name not in PORTS]
    if unknown:
        options.error(f'no port {unknown[0]}; there are: {", ".join(PORTS)}')
    found = [bench(name, args.runs, args.size) for name in args.ports or PORTS]
    if args.json:
        print(json.dumps(found, indent=1))
        return
    print(f'{"port":<14}{"echo":>12}{"upload":>12}{"of echo":>9}{"download":>12}{"of echo":>9}')
    for one in found:
        speed, share = one['bytes_per_s'], one['share_of_echo']
        print(f'{one["port"]:<14}{told(speed["echo"]):>12}{told(speed["upload"]):>12}{share["upload"]:>9.0%}'
              f'{told(speed["download"]):>12}{share["download"]:>9.0%}')


if __name__ == '__main__':
    main()
