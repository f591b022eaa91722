# SPDX-License-Identifier: MIT
"""How fast files travel to and from real firmware, as shares of what a bare echo loop reaches on the same board in QEMU.

The echo firmware, built beside each port, has the same start, clock, UART driver and rings as the agent's and gives back
what comes; as many bytes are under way as the agent lets a host have. Its rate is of all bytes that pass the UART, in and
out: what the bed allows. Then a real daemon uploads and downloads random bytes, each compared. Runs of both take turns;
medians are told. In QEMU a byte out costs less than one in, so a download may be above the echo's rate. It models no baud
rate: on a board the line is the limit, which `./dev bench link` measures.

usage: ./dev bench firmware [PORT...] [--runs N] [--size BYTES] [--json]
"""
import argparse
import json
import pathlib
import random
import socket
import statistics
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'tools'))
from bed import Bed  # noqa: E402
from boards import BOARDS  # noqa: E402


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


def bench(kind, runs, size):
    with Bed() as bed:
        port = Port(kind, bed)
        port.measure(0, min(size, 4096))    # not counted: it wakes everything up
        found = [port.measure(run, size) for run in range(1, runs + 1)]
    middle = {name: statistics.median(one[name] for one in found) for name in found[0]}
    shares = {name: statistics.median(one[name] / one['echo'] for one in found) for name in ('upload', 'download')}
    return {'port': kind.NAME, 'bytes_per_s': {name: round(value) for name, value in middle.items()},
            'share_of_echo': {name: round(value, 3) for name, value in shares.items()}}


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument('ports', nargs='*', metavar='PORT', help=f'of {", ".join(BOARDS)}; all')
    options.add_argument('--runs', type=int, default=5)
    options.add_argument('--size', type=int, default=64 * 1024, help='bytes of a transfer')
    options.add_argument('--json', action='store_true')
    args = options.parse_args()
    unknown = [name for name in args.ports if name not in BOARDS]
    if unknown:
        options.error(f'no port {unknown[0]}; there are: {", ".join(BOARDS)}')
    found = [bench(BOARDS[name], args.runs, args.size) for name in args.ports or BOARDS]
    if args.json:
        print(json.dumps(found, indent=1))
        return
    print(f'{"port":<14}{"echo":>12}{"upload":>12}{"of echo":>9}{"download":>12}{"of echo":>9}')
    for one in found:
        speed, share = one['bytes_per_s'], one['share_of_echo']
        print(f'{one["port"]:<14}{speed["echo"] / 1000:>7.0f} KB/s{speed["upload"] / 1000:>7.0f} KB/s{share["upload"]:>9.0%}'
              f'{speed["download"] / 1000:>7.0f} KB/s{share["download"]:>9.0%}')


if __name__ == '__main__':
    main()
