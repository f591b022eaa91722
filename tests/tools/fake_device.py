#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A device that misbehaves, at the far end of a Unix socket or a pty.

    fake_device.py unix:PATH|pty:PATH ID MANNER [ARGUMENT]

A third implementation of proto/PROTOCOL.md, written from that page and
flashport.proto alone: COBS, CRC-32, the handshake, acknowledgement, credit and
as much of the messages as an honest read-only device needs. Each MANNER is a
class below that is dishonest in one way.
"""
import collections
import hmac
import os
import random
import select
import socket
import struct
import sys
import time
import tty
import zlib

SYN, SYNACK, MSG, BULK, ACK, BUSY, CONSOLE = range(1, 8)
HAS_ACK = 0x10
FRAME_MAX = 1024

# Fields of Envelope's oneof (flashport.proto).
(FAILURE, DONE, HELLO, HELLO_REPLY, PING, STATS, STATS_REPLY, REBOOT, VOLUMES, VOLUME_REPLY, STORAGES, STORAGE_REPLY, STAT, STAT_REPLY,
 LIST, LIST_REPLY, READ, READ_REPLY, READ_END, DIGEST, DIGEST_REPLY, PUT_OPEN, PUT_OPEN_REPLY, PUT_COMMIT, PUT_COMMIT_REPLY) = range(2, 27)
CHUNK_DIGEST, CHUNK_DIGEST_REPLY, CHUNK_CHANGED, CHUNK_CHANGED_REPLY, CHUNK_READ, CHUNK_READ_REPLY = range(40, 46)
EVENT = 52
AUTH = 55


class Gone(Exception):
    """The other end hung up, or began a new session."""


# --- frames ------------------------------------------------------------------


def cobs(data):
    out = bytearray()
    pieces = data.split(b'\0')
    for i, piece in enumerate(pieces):
        while len(piece) >= 254:
            out += b'\xff' + piece[:254]
            piece = piece[254:]
            if not piece and i == len(pieces) - 1:
                return bytes(out)
        out += bytes([len(piece) + 1]) + piece
    return bytes(out)


def uncobs(data):
    out, at = bytearray(), 0
    while at < len(data):
        code = data[at]
        out += data[at + 1:at + code]
        at += code
        if code < 255 and at < len(data):
            out.append(0)
    return bytes(out)


def frame(kind, seq, payload=b'', ack=0, credit=0x0fff):
    data = struct.pack('<BBBH', kind | HAS_ACK, seq, ack, credit) + payload
    return b'\0' + cobs(data + struct.pack('<I', zlib.crc32(data))) + b'\0'


# --- protobuf ----------------------------------------------------------------


def varint(n):
    out = bytearray()
    n &= (1 << 64) - 1
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out + bytes([n]))


def message(fields):
    """[(number, int or bytes)] as bytes."""
    out = b''
    for number, value in fields:
        if isinstance(value, bytes):
            out += varint(number << 3 | 2) + varint(len(value)) + value
        else:
            out += varint(number << 3) + varint(int(value))
    return out


def parse(data):
    """{number: last value}: enough for requests."""
    fields, at = {}, 0

    def take():
        nonlocal at
        n = shift = 0
        while True:
            byte = data[at]
            at += 1
            n |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return n
    while at < len(data):
        key = take()
        value = take()
        if key & 7 == 2:
            value, at = data[at:at + value], at + value
        fields[key >> 3] = value
    return fields


# --- the wire and the link ---------------------------------------------------


class Wire:
    """Where daemons come: a listening socket, or a pty that is always there."""

    def __init__(self, spec):
        kind, self.path = spec.split(':', 1)
        if kind == 'unix':
            self.server = socket.socket(socket.AF_UNIX)
            self.server.bind(self.path)
            self.server.listen(4)
        else:
            self.server = None
            self.fd, self.slave = os.openpty()
            tty.setraw(self.slave)
            os.symlink(os.ttyname(self.slave), self.path)

    def wait(self):
        if self.server:
            self.conn, _ = self.server.accept()
            self.fd = self.conn.fileno()
        os.set_blocking(self.fd, False)

    def drop(self):
        if self.server:
            self.conn.close()

    def send(self, data):
        view = memoryview(data)
        while view:
            _, ready, _ = select.select([], [self.fd], [], 1)
            try:
                view = view[os.write(self.fd, view):] if ready else view
            except BlockingIOError:
                pass
            except OSError:
                raise Gone
        return len(data)

    def recv(self, seconds):
        ready, _, _ = select.select([self.fd], [], [], seconds)
        if not ready:
            return b''
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            raise Gone
        if not data:
            raise Gone
        return data


class Link:
    """The device's end: in order because the wire loses nothing."""

    def __init__(self, wire):
        self.wire, self.segment, self.nonce = wire, b'', None
        self.requests = collections.deque()
        self.reset()

    def reset(self):
        self.seq = self.awaited = self.peer_ack = self.peer_credit = 0
        self.costs = {}

    def pump(self, seconds=0.0):
        data = self.segment + self.wire.recv(seconds)
        *segments, self.segment = data.split(b'\0')
        for segment in segments:
            self.take(uncobs(segment))

    def take(self, data):
        if len(data) < 9 or zlib.crc32(data[:-4]) != struct.unpack('<I', data[-4:])[0]:
            return
        head, seq, ack, credit = struct.unpack('<BBBH', data[:5])
        kind, payload = head & 15, data[5:-4]
        if kind == SYN:
            if payload[3:11] != self.nonce:
                self.nonce = payload[3:11]
                self.reset()
                self.requests.clear()
            self.peer_credit = credit
            self.wire.send(frame(SYNACK, 0, struct.pack('<BH', 1, FRAME_MAX) + self.nonce))
            return
        self.peer_ack, self.peer_credit = ack, credit
        if kind in (MSG, BULK) and seq == self.awaited:
            self.awaited = (self.awaited + 1) % 256
            if kind == MSG:
                self.requests.append(payload)
        if kind in (MSG, BULK, ACK):
            if kind != ACK or payload[4:5] and payload[4] & 1:
                self.wire.send(frame(ACK, self.seq, ack=self.awaited))

    def reliable(self, kind, payload):
        """Sends, once there is credit for it."""
        nonce, cost = self.nonce, (len(payload) + 16 + 15) // 16
        while True:
            flight = (self.seq - self.peer_ack) % 256
            used = sum(self.costs.get((self.peer_ack + i) % 256, 0) for i in range(flight))
            if flight < 32 and used + cost <= self.peer_credit:
                break
            self.pump(0.2)
            if self.nonce != nonce:
                raise Gone
        self.costs[self.seq] = cost
        self.wire.send(frame(kind, self.seq, payload, ack=self.awaited))
        self.seq = (self.seq + 1) % 256


# --- an honest device --------------------------------------------------------

CONTENT = bytes(range(256)) * 40  # of /flash/file: 10,240 bytes
FREE = 100_000


class Honest:
    """One volume /flash on flash0, one file in it; its subclasses lie."""

    def __init__(self, wire, name, argument):
        self.wire, self.name, self.argument = wire, name, argument
        self.random = random.Random(argument or '1')

    def serve(self):
        """One connection."""
        self.link = Link(self.wire)
        while True:
            self.link.pump(0.5)
            while self.link.requests:
                self.request(self.link.requests.popleft())

    def send(self, rid, tag, fields):
        body = fields if isinstance(fields, bytes) else message(fields)
        self.link.reliable(MSG, message([(1, rid), (tag, body)]))

    def fail(self, rid, error, detail=b''):
        self.send(rid, FAILURE, [(1, error), (2, detail)])

    def request(self, payload):
        env = parse(payload)
        rid = env.pop(1, 0)
        tag, body = next(iter(env.items()))
        handler = {HELLO: self.hello, PING: self.ping, VOLUMES: self.volumes, STORAGES: self.storages, STATS: self.stats, STAT: self.stat,
                   LIST: self.list, READ: self.read, CHUNK_DIGEST: self.chunk_digest, CHUNK_CHANGED: self.chunk_changed, CHUNK_READ: self.chunk_read, 48: self.ping, 49: self.ping}.get(tag)
        if handler:
            handler(rid, parse(body))
        else:
            self.fail(rid, 95)

    def hello_fields(self):
        return {1: 1, 2: self.name.encode(), 3: b'fake', 4: b'1.0', 5: os.urandom(8), 7: 8192, 8: 4, 9: 2, 10: 4, 11: 512, 12: 100, 15: b'/flash'}

    def hello(self, rid, _):
        self.send(rid, HELLO_REPLY, list(self.hello_fields().items()))

    def ping(self, rid, _):
        self.send(rid, DONE, [])

    def volume_fields(self):
        return {1: 1, 2: 1, 3: b'/flash', 4: b'flash0', 5: b'littlefs', 6: b'2.1', 7: 1, 9: 1, 11: 1 << 20, 12: FREE, 13: 4096, 14: 255,
                15: 1 << 31, 16: 7, 17: 1}

    def volumes(self, rid, _):
        self.send(rid, VOLUME_REPLY, list(self.volume_fields().items()))

    def storage_fields(self):
        return {1: 1, 2: 1, 3: b'flash0', 4: 1, 5: 256, 6: 4096, 7: 16, 8: 4, 9: 4096, 10: 7, 11: 1}

    def storages(self, rid, _):
        self.send(rid, STORAGE_REPLY, list(self.storage_fields().items()))

    def stats(self, rid, _):
        self.send(rid, STATS_REPLY, [(2, 1)])

    def stat(self, rid, body):
        path = body.get(1, b'').rstrip(b'/')
        if path == b'/flash':
            self.send(rid, STAT_REPLY, [(1, message([(2, 2)])), (2, 7)])
        elif path == b'/flash/file':
            self.send(rid, STAT_REPLY, [(1, message([(2, 1), (3, len(CONTENT))])), (2, 7)])
        else:
            self.fail(rid, 2)

    def entry(self, name, kind=1, size=1):
        return (1, message([(1, name), (2, kind), (3, size)]))

    def list(self, rid, _):
        self.send(rid, LIST_REPLY, [self.entry(b'file', 1, len(CONTENT)), (2, 7), (3, 1)])

    def read(self, rid, body):
        off, length, stream = body.get(2, 0), body.get(3, 0), body.get(4, 0)
        data = CONTENT[off:off + length] if length else CONTENT[off:]
        self.send(rid, READ_REPLY, [(1, len(CONTENT)), (2, len(data)), (3, 7)])
        for at in range(0, len(data), 512):
            self.link.reliable(BULK, bytes([stream, 0]) + data[at:at + 512])
        self.send(rid, READ_END, [(1, len(data)), (2, zlib.crc32(data))])

    def chunk_changed(self, rid, _):
        self.send(rid, CHUNK_CHANGED_REPLY, [(1, 7), (2, 1), (4, 1)])

    def chunk_digest(self, rid, body):
        first, count = body.get(2, 0), body.get(3, 0)
        self.send(rid, CHUNK_DIGEST_REPLY, [(1, 7), (2, first), (3, b'\xff' + bytes(15) + (b'\xff' + bytes(15)) * (count - 1)),
                                            (4, b'\1' * count), (5, 1)])

    def chunk_read(self, rid, _):
        self.fail(rid, 5)


# --- no session at all -------------------------------------------------------


class Noise(Honest):
    """Random bytes for ever."""

    def serve(self):
        while True:
            self.wire.send(self.random.randbytes(4096))
            self.swallow()
            time.sleep(0.005)

    def swallow(self):
        self.wire.recv(0)


class Zeros(Noise):
    def serve(self):
        while True:
            self.wire.send(bytes(65536))
            self.swallow()
            time.sleep(0.005)


class Endless(Noise):
    """What looks like a frame and never ends."""

    def serve(self):
        self.wire.send(b'\0\x05\x13')
        while True:
            self.wire.send(b'\x41\x13' * 4096)
            self.swallow()
            time.sleep(0.005)


class Frames(Noise):
    """Good frames of every kind that make no sense."""

    def serve(self):
        r = self.random
        while True:
            for _ in range(20):
                self.wire.send(frame(r.randrange(16), r.randrange(256), r.randbytes(r.choice((0, 1, 4, 6, 11, 300))), r.randrange(256),
                                     r.randrange(65536)))
            self.swallow()
            time.sleep(0.005)


class Silence(Noise):
    def serve(self):
        while True:
            self.wire.recv(1)


class Zombie(Noise):
    """Knows of no session, again and again."""

    def serve(self):
        while True:
            self.wire.send(frame(SYNACK, 0, struct.pack('<BH', 1, FRAME_MAX) + bytes(8)))
            self.swallow()
            time.sleep(0.01)


class Hangup(Noise):
    """Half a frame, and gone."""

    def serve(self):
        self.wire.recv(1)
        self.wire.send(frame(SYNACK, 0, struct.pack('<BH', 1, FRAME_MAX) + os.urandom(8))[:9])
        raise Gone


# --- a session, and then -----------------------------------------------------


class Hello(Honest):
    """ARGUMENT `field=repr` in the place of what the HelloReply had."""

    def hello_fields(self):
        number, value = self.argument.split('=', 1)
        return {**super().hello_fields(), int(number): eval(value, {})}


class Keyed(Honest):
    """Has the key in file ARGUMENT, and serves who proves to have it."""

    def mac(self, label, nonce, own):
        key = open(self.argument, 'rb').readline().strip()
        return hmac.digest(key, label + b'\0' + nonce + own + self.name.encode(), 'sha256')

    def hello(self, rid, body):
        own = os.urandom(16)
        self.wanted = self.mac(b'flashport host v1', body[3], own)
        self.answer(rid, {14: 16, 17: own, 18: self.mac(b'flashport device v1', body[3], own)})

    def answer(self, rid, fields):
        self.send(rid, HELLO_REPLY, list({**self.hello_fields(), **fields}.items()))

    def request(self, payload):
        env = parse(payload)
        if AUTH not in env:
            super().request(payload)
        elif parse(env[AUTH])[1] == self.wanted:
            self.proven(env[1])
        else:
            self.fail(env[1], 13)

    def proven(self, rid):
        self.send(rid, DONE, [])


class Recorded(Keyed):
    """Answers the first host with the key, and from then on with what it said to that one, as who has only listened can."""

    first = None

    def answer(self, rid, fields):
        self.first = self.first or fields
        super().answer(rid, self.first)

    def proven(self, rid):
        super().proven(rid)
        raise Gone


class Volume(Honest):
    def volume_fields(self):
        number, value = self.argument.split('=', 1)
        return {**super().volume_fields(), int(number): eval(value, {})}


class Storage(Honest):
    def storage_fields(self):
        number, value = self.argument.split('=', 1)
        return {**super().storage_fields(), int(number): eval(value, {})}


class Unasked(Honest):
    """Answers Hello with something else."""

    def hello(self, rid, _):
        self.list(rid, {})


class Rubbish(Honest):
    """Good frames with no protobuf in them."""

    def hello(self, rid, _):
        self.link.reliable(MSG, b'\xff' * 100)


class NotBulk(Honest):
    def hello(self, rid, body):
        super().hello(rid, body)
        self.link.reliable(BULK, b'\7\xee' + b'x' * 50)


class HelloLater(Honest):
    def hello(self, rid, _):
        pass


class HelloRefused(Honest):
    def hello(self, rid, _):
        self.fail(rid, 95, b'\x1b[31mno\n<b>')


class ManyVolumes(Honest):
    def volumes(self, rid, _):
        for i in range(100):
            self.send(rid, VOLUME_REPLY, list({**self.volume_fields(), 2: 0, 3: b'/v%d' % i}.items()))


class NeverLast(Honest):
    """Says again and again that there is no volume, and that more will come."""

    def volumes(self, rid, _):
        while True:
            self.send(rid, VOLUME_REPLY, [])
            time.sleep(0.01)


class BeyondCredit(Honest):
    """Heeds no credit and no window."""

    def hello(self, rid, body):
        super().hello(rid, body)
        for i in range(20_000):
            self.wire.send(frame(MSG, (self.link.seq + i) % 256, self.random.randbytes(900), self.link.awaited))


# --- online, and then --------------------------------------------------------


class WrongIds(Honest):
    """Answers what nobody asked; what was asked stays open."""

    def list(self, rid, body):
        for i in range(50):
            super().list((rid + 1 + i) % (1 << 32), body)

    stat = list


class Mute(Honest):
    """Takes what it is asked and never answers."""

    def list(self, rid, body):
        pass

    stat = list


class Huge(Honest):
    """A directory of 20,000 files with long names."""

    def list(self, rid, body):
        cursor, limit = body.get(2, 0), body.get(3, 0) or 20_000
        end = min(20_000, cursor + limit)
        for at in range(cursor, end, 3):
            part = [self.entry(b'%06d' % i + b'n' * 240) for i in range(at, min(at + 3, end))]
            last = at + 3 >= end
            self.send(rid, LIST_REPLY, part + [(2, 7), (3, int(last)), (4, end if last and end < 20_000 else 0)])


class EndlessList(Honest):
    def list(self, rid, body):
        for i in range(100_000):
            self.send(rid, LIST_REPLY, [self.entry(b'%d' % i), (2, 7)])


class SameCursor(Honest):
    """There is always more, from the start."""

    def list(self, rid, body):
        self.send(rid, LIST_REPLY, [self.entry(b'again'), (2, 7), (3, 1), (4, body.get(2, 0))])


class Names(Honest):
    """A listing with the name that is the ARGUMENT."""

    def list(self, rid, body):
        self.send(rid, LIST_REPLY, [self.entry(eval(self.argument, {})), (2, 7), (3, 1)])


class ReadMore(Honest):
    """More bytes than announced."""

    def read(self, rid, body):
        self.send(rid, READ_REPLY, [(1, len(CONTENT)), (2, min(body.get(3, 0), len(CONTENT))), (3, 7)])
        for _ in range(1000):
            self.link.reliable(BULK, bytes([body.get(4, 0), 0]) + b'x' * 900)
        self.send(rid, READ_END, [(1, len(CONTENT))])


class ReadFill(Honest):
    """Four gigabytes in a frame of seven bytes."""

    def read(self, rid, body):
        self.send(rid, READ_REPLY, [(1, len(CONTENT)), (2, min(body.get(3, 0), len(CONTENT))), (3, 7)])
        self.link.reliable(BULK, bytes([body.get(4, 0), 1, 0]) + b'\xff' * 4)


class Packs(Honest):
    """LZ4 blocks: good ones, or what the argument says, an expression of the data."""

    def hello_fields(self):
        return {**super().hello_fields(), 14: 2}

    def block(self, data):
        """256 bytes, a copy from 256 back that goes on to the last 5, and these: the content repeats itself."""
        more = len(data) - 256 - 5 - 4 - 15
        return b'\xff' + bytes([256 - 15]) + data[:256] + b'\0\1' + b'\xff' * (more // 255) + bytes([more % 255]) + b'\x50' + data[-5:]

    def read(self, rid, body):
        off, length, stream = body.get(2, 0), body.get(3, 0), body.get(4, 0)
        data = CONTENT[off:off + length] if length else CONTENT[off:]
        block = eval(self.argument, {'data': data}) if self.argument else self.block(data)
        self.send(rid, READ_REPLY, [(1, len(CONTENT)), (2, len(data)), (3, 7)])
        self.link.reliable(BULK, bytes([stream, 2]) + block)
        self.send(rid, READ_END, [(1, len(data)), (2, zlib.crc32(data))])


class ReadLess(Honest):
    def read(self, rid, body):
        self.send(rid, READ_REPLY, [(1, len(CONTENT)), (2, min(body.get(3, 0), len(CONTENT))), (3, 7)])
        self.send(rid, READ_END, [(1, 0)])


class ReadWrongSum(Honest):
    def read(self, rid, body):
        n = min(body.get(3, 0) or len(CONTENT), len(CONTENT))
        self.send(rid, READ_REPLY, [(1, len(CONTENT)), (2, n), (3, 7)])
        self.link.reliable(BULK, bytes([body.get(4, 0), 1, 0]) + struct.pack('<I', n))
        self.send(rid, READ_END, [(1, n), (2, 12345)])


class ReadHuge(Honest):
    """A file of 2^64 - 1 bytes."""

    def read(self, rid, body):
        self.send(rid, READ_REPLY, [(1, (1 << 64) - 1), (2, (1 << 64) - 1), (3, 7)])


class ReadTwice(Honest):
    def read(self, rid, body):
        for _ in range(3):
            self.send(rid, READ_REPLY, [(1, len(CONTENT)), (2, min(body.get(3, 0), len(CONTENT))), (3, 7)])


class ReadOtherStream(Honest):
    """The bytes on a stream that nobody opened, then the end."""

    def read(self, rid, body):
        self.send(rid, READ_REPLY, [(1, len(CONTENT)), (2, min(body.get(3, 0), len(CONTENT))), (3, 7)])
        self.link.reliable(BULK, bytes([body.get(4, 0) % 255 + 1, 0]) + b'x' * 500)
        self.send(rid, READ_END, [(1, len(CONTENT))])


class Fails(Honest):
    """Every request about files: the error of ARGUMENT, with hostile words."""

    def list(self, rid, body):
        self.send(rid, FAILURE, [(1, int(self.argument)), (2, b'\x1b]0;x\x07<script>"\\\n\xff\xfe'), (3, (1 << 64) - 1), (4, (1 << 64) - 1),
                                 (5, (1 << 64) - 1)])

    stat = read = list


class OtherKind(Honest):
    """The answer to everything is Done."""

    def list(self, rid, body):
        self.send(rid, DONE, [(1, 7)])

    stat = read = chunk_digest = chunk_read = list


class Chatter(Honest):
    """Events and console text without end, between honest answers."""

    def serve(self):
        self.link = Link(self.wire)
        while True:
            self.link.pump(0.01)
            while self.link.requests:
                self.request(self.link.requests.popleft())
            if self.link.nonce:
                for kind in (1, 2, 3, 4, 5, 99):
                    self.send(0, EVENT, [(1, kind), (2, b'flash0'), (5, b'\x1b[2J')])
                self.wire.send(b'\0' + b'I am talking \x1b[31m\r\n' * 100 + frame(CONSOLE, self.link.seq, b'\xff' * 900, ack=self.link.awaited))


class Chunks(Honest):
    """Digests of chunks that nobody asked about."""

    def chunk_digest(self, rid, body):
        self.send(rid, CHUNK_DIGEST_REPLY, [(1, 7), (2, 4_000_000_000), (3, bytes(512)), (4, bytes(32)), (5, 1)])


class ChunkFlood(Honest):
    """Random digests, and chunks of more bytes than a chunk has."""

    def chunk_digest(self, rid, body):
        n = body.get(3, 0)
        self.send(rid, CHUNK_DIGEST_REPLY, [(1, 7), (2, body.get(2, 0)), (3, os.urandom(16 * n)), (4, bytes(n)), (5, 1)])

    def chunk_read(self, rid, body):
        for _ in range(600):
            self.link.reliable(BULK, bytes([body.get(4, 0), 0]) + b'x' * 900)
        self.send(rid, CHUNK_READ_REPLY, [(1, 7), (2, bytes(body.get(3, 0)))])


class ChunkLies(ChunkFlood):
    """Chunks whose bytes do not have the digest that was told."""

    def chunk_read(self, rid, body):
        n = body.get(3, 0)
        self.link.reliable(BULK, bytes([body.get(4, 0), 1, 0x55]) + struct.pack('<I', n * 4096))
        self.send(rid, CHUNK_READ_REPLY, [(1, 7), (2, bytes(n)), (3, 7)])


def main():
    wire = Wire(sys.argv[1])
    manner = globals()[sys.argv[3]](wire, sys.argv[2], sys.argv[4] if len(sys.argv) > 4 else None)
    while True:
        wire.wait()
        try:
            manner.serve()
        except Gone:
            pass
        wire.drop()
        time.sleep(0.02)


if __name__ == '__main__':
    main()
