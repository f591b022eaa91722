# SPDX-License-Identifier: MIT
"""Devices that misbehave, each in one way.

    python3 tests/device/liars.py --id NAME --listen WHERE MANNER [ARGUMENT]

A MANNER is a class below: the honest device of device.py with something of it
replaced. What it lies about is said in one line; none of it is in the protocol.
"""
import argparse
import hmac
import os
import random
import struct
import tempfile
import time
import zlib

import link
from device import BODY, Device, Incoming, Work, record, records, serve_for_ever
from flash import CHUNK, Flash, Refusal
from frames import ACK, BULK, BUSY, CONSOLE, MSG, SYNACK, Frame, encode
from messages import fp
from wire import Gone, Wire

CONTENT = bytes(range(256)) * 40  # of /flash/file
HUGE = (1 << 64) - 1
# Escapes, also the one of eight bits, what turns the direction, and no UTF-8.
HOSTILE = b'\x1b]0;x\x07<script>"\\\n\xc2\x9b31m\xe2\x80\xae\xe2\x80\xa8\xff\xfe'


class Honest(Device):
    chunks_of_flash = 16

    def __init__(self, wire, name, argument):
        self.argument, self.random = argument, random.Random(argument or '1')
        with tempfile.TemporaryDirectory() as folder:
            super().__init__(wire, name, Flash(f'{folder}/flash', self.chunks_of_flash * CHUNK))
        self.volume.put((b'file',), CONTENT)

    def written(self, request_id, body):
        """No bound is checked here."""
        return fp.Envelope(id=request_id, **{BODY[body.DESCRIPTOR.full_name]: body}).SerializeToString()

    def lie(self, body):
        """`body` with the fields of the ARGUMENT, as in "size=2**64-1"."""
        fields = {field.name: value for field, value in body.ListFields()}
        return type(body)(**{**fields, **eval(f'dict({self.argument})', {})})


# --- no session at all -------------------------------------------------------


class Noise(Honest):
    """Random bytes for ever."""

    def serve(self):
        while True:
            if not self.wire.full():  # a daemon that is slow is still lied to
                self.wire.send(self.noise())
            self.wire.receive(0)
            time.sleep(0.005)

    def noise(self):
        return self.random.randbytes(4096)


class Zeros(Noise):
    def noise(self):
        return bytes(65536)


class Endless(Noise):
    """What looks like a frame and never ends."""

    def noise(self):
        return b'\x41\x13' * 4096


class Frames(Noise):
    """Good frames of every kind that make no sense."""

    def noise(self):
        r = self.random
        return b''.join(encode(Frame(r.randrange(16), r.randrange(256), r.randrange(256), r.randrange(65536),
                                     r.randbytes(r.choice((0, 1, 4, 6, 11, 300))))) for _ in range(20))


class Zombie(Noise):
    """Knows of no session, again and again."""

    def noise(self):
        return encode(Frame(SYNACK, 0, 0, 0xfff, struct.pack('<BH', 1, 1024) + bytes(8)))


class Silence(Noise):
    def noise(self):
        return b''


class Drip(Noise):
    """A frame that comes a byte at a time, and never all of it."""

    def serve(self):
        self.wire.send(b'\0\x10\x13')
        super().serve()

    def noise(self):
        time.sleep(0.2)
        return b'\1'


class Hangup(Noise):
    """Half a frame, and gone."""

    def serve(self):
        self.wire.receive(1)
        self.wire.send(encode(Frame(SYNACK, 0, 0, 0xfff, struct.pack('<BH', 1, 1024) + os.urandom(8)))[:9])
        raise Gone


# --- a session, and then -----------------------------------------------------


class Hello(Honest):
    """The ARGUMENT in the place of what the HelloReply had; likewise below."""

    def do_hello(self, ask):
        for reply in super().do_hello(ask):
            yield self.lie(reply)


class Keyed(Honest):
    """No liar: has the key in file ARGUMENT, and serves who proves to have it."""

    def mac(self, label, nonce, own):
        with open(self.argument, 'rb') as file:
            key = file.readline().strip()
        return hmac.digest(key, label + b'\0' + nonce + own + self.name, 'sha256')

    def do_hello(self, ask):
        own = os.urandom(16)
        self.wanted = self.mac(b'flashport host v1', ask.nonce, own)
        for reply in super().do_hello(ask):
            reply.features = fp.FEATURE_AUTH
            reply.nonce, reply.proof = self.said(own, self.mac(b'flashport device v1', ask.nonce, own))
            yield reply

    def said(self, *proof):
        return proof

    def do_auth(self, ask):
        if ask.proof != self.wanted:
            raise Refusal(fp.ERROR_ACCES, 'another key')
        yield fp.Done()


class Recorded(Keyed):
    """Answers the first host with the key, and from then on with what it said to that one, as who has only listened can."""

    first = None

    def said(self, *proof):
        self.first = self.first or proof
        return self.first

    def do_auth(self, ask):
        yield from super().do_auth(ask)
        raise Gone


class Volume(Honest):
    def do_volumes(self, ask):
        for reply in super().do_volumes(ask):
            yield self.lie(reply)


class Storage(Honest):
    def do_storages(self, ask):
        for reply in super().do_storages(ask):
            yield self.lie(reply)


class Unasked(Honest):
    """Answers Hello with something else."""

    def do_hello(self, _):
        self.greeted = True
        yield fp.ListReply(last=True)


class Rubbish(Honest):
    """Good frames with no protobuf in them."""

    def do_hello(self, _):
        self.link.send(MSG, b'\xff' * 100)
        yield


class NotBulk(Honest):
    def do_hello(self, ask):
        yield from super().do_hello(ask)
        yield b'\7\xee' + b'x' * 50


class HelloLater(Honest):
    def do_hello(self, _):
        while True:
            yield


class HelloRefused(Honest):
    def do_hello(self, _):
        yield fp.Failure(error=fp.ERROR_NOTSUP, detail=b'\x1b[31mno\n<b>')


class ManyVolumes(Honest):
    def do_volumes(self, _):
        for i in range(100):
            yield fp.VolumeReply(present=True, path=b'/v%d' % i, storage=b'flash0', mounted=True)


class SameVolumes(Honest):
    """Two volumes with one path."""

    def do_volumes(self, ask):
        for last in (False, True):
            for reply in super().do_volumes(ask):
                reply.last = last
                yield reply


class SameStorages(Honest):
    def do_storages(self, ask):
        for last in (False, True):
            for reply in super().do_storages(ask):
                reply.last = last
                yield reply


class NeverLast(Honest):
    """Says again and again that there is no volume, and that more will come."""

    def do_volumes(self, _):
        while True:
            yield fp.VolumeReply()


class NeverLastStorage(Honest):
    def do_storages(self, _):
        while True:
            yield fp.StorageReply()


class BeyondCredit(Honest):
    """Heeds no credit and no window."""

    def do_hello(self, ask):
        yield from super().do_hello(ask)
        for i in range(20_000):
            self.wire.send(encode(Frame(MSG, (self.link.next + i) % 256, self.link.awaited, 0xfff, self.random.randbytes(900))))


class BusyForEver(Honest):
    """Announces, again and again, that it will be silent for a minute."""

    def do_volumes(self, _):
        while True:
            self.link.emit(BUSY, struct.pack('<H', 60_000))
            until = time.monotonic() + 0.05
            while time.monotonic() < until:
                yield


# --- online, and then --------------------------------------------------------


class WrongIds(Honest):
    """Answers what nobody asked; what was asked stays open."""

    def do_list(self, ask):
        for i in range(50):
            self.link.send(MSG, self.written(1000 + i, fp.ListReply(last=True)))
        while True:
            yield

    do_stat = do_list


class Mute(Honest):
    """Takes what it is asked and never answers."""

    def do_list(self, _):
        while True:
            yield

    do_stat = do_list


class MuteAll(Mute):
    """But what may take ten minutes without a word is done: reading, hashing, checking."""

    do_put_open = do_mkdir = do_remove = do_rename = do_stats = Mute.do_list


class Huge(Honest):
    """A directory of 20,000 files with long names."""

    def do_list(self, ask):
        end = min(20_000, ask.cursor + (ask.limit or 20_000))
        for at in range(ask.cursor, end, 3):
            names = [b'%06d' % i + b'n' * 240 for i in range(at, min(at + 3, end))]
            last = at + 3 >= end
            yield fp.ListReply(entries=[fp.Entry(name=name, type=1, size=1) for name in names], fs_gen=7, last=last,
                               next=end if last and end < 20_000 else 0)


class EndlessList(Honest):
    def do_list(self, _):
        while True:
            yield fp.ListReply(entries=[fp.Entry(name=b'%d' % self.random.randrange(10**9), type=1)], fs_gen=7)


class EmptyList(Honest):
    """Pages without entries, for ever."""

    def do_list(self, _):
        while True:
            yield fp.ListReply(fs_gen=7)


class SameCursor(Honest):
    """There is always more, from the start."""

    def do_list(self, ask):
        yield fp.ListReply(entries=[fp.Entry(name=b'again', type=1)], fs_gen=7, last=True, next=ask.cursor)


class Entries(Honest):
    """A listing with one entry, the ARGUMENT's."""

    def do_list(self, _):
        yield fp.ListReply(entries=[self.lie(fp.Entry(name=b'file', type=1))], fs_gen=7, last=True)


class Stat(Honest):
    def do_stat(self, _):
        yield fp.StatReply(entry=self.lie(fp.Entry(type=1, size=1)), fs_gen=7)


class SizeTwice(Honest):
    """Of ten bytes when it is looked at, empty when it is read, and nothing has changed."""

    def do_stat(self, _):
        yield fp.StatReply(entry=fp.Entry(type=1, size=10), fs_gen=7)

    def do_read(self, _):
        yield fp.ReadReply(size=0, len=0, fs_gen=7)
        yield fp.ReadEnd(len=0)


class NoEntry(Honest):
    def do_stat(self, _):
        yield fp.StatReply(fs_gen=7)


class Reads(Honest):
    """A read as it was asked for; below it goes wrong in `content`."""

    def do_read(self, ask):
        self.asked = min(ask.len or len(CONTENT), len(CONTENT))
        yield fp.ReadReply(size=len(CONTENT), len=self.asked, fs_gen=self.volume.gen)
        yield from self.content(ask.stream)


class ReadMore(Reads):
    """More bytes than announced."""

    def content(self, stream):
        for _ in range(1000):
            yield record(stream, 0, b'x' * 900)
        yield fp.ReadEnd(len=self.asked)


class ReadEndless(Reads):
    def content(self, stream):
        while True:
            yield record(stream, 0, b'x' * 900)


class ReadVast(Honest):
    """Files of zeros, each larger than its volume."""

    def do_stat(self, _):
        yield fp.StatReply(entry=fp.Entry(type=1, size=1 << 40), fs_gen=7)

    def do_read(self, ask):
        part = bytes(ask.len)
        yield fp.ReadReply(size=1 << 40, len=len(part), fs_gen=7)
        yield from records(ask.stream, part, self.link.frame_max)
        yield fp.ReadEnd(len=len(part), crc32=zlib.crc32(part))


class ReadFill(Reads):
    """Four gigabytes in a frame of seven bytes."""

    def content(self, stream):
        yield record(stream, 1, b'\0' + b'\xff' * 4)


class ReadFills(Reads):
    """Fills of no bytes, and of a wrong size."""

    def content(self, stream):
        yield record(stream, 1, self.random.choice((bytes(5), bytes(4), bytes(6), b'')))
        yield fp.ReadEnd(len=self.asked)


class Packs(Honest):
    """LZ4 blocks: good ones, or what the argument says, an expression of the data."""

    def do_hello(self, ask):
        for reply in super().do_hello(ask):
            reply.features = 2
            yield reply

    def block(self, data):
        """256 bytes, a copy from 256 back that goes on to the last 5, and these: the content repeats itself."""
        more = len(data) - 256 - 5 - 4 - 15
        return b'\xff' + bytes([256 - 15]) + data[:256] + b'\0\1' + b'\xff' * (more // 255) + bytes([more % 255]) + b'\x50' + data[-5:]

    def do_read(self, ask):
        data = self.part(CONTENT, ask)
        yield fp.ReadReply(size=len(CONTENT), len=len(data), fs_gen=7)
        yield record(ask.stream, 2, eval(self.argument, {'data': data}) if self.argument else self.block(data))
        yield fp.ReadEnd(len=len(data), crc32=zlib.crc32(data))


class ReadLess(Reads):
    def content(self, stream):
        yield fp.ReadEnd(len=0)


class ReadWrongSum(Reads):
    def content(self, stream):
        yield record(stream, 1, b'\0' + struct.pack('<I', self.asked))
        yield fp.ReadEnd(len=self.asked, crc32=12345)


class ReadOtherStream(Reads):
    """The bytes on a stream that nobody opened, then the end."""

    def content(self, stream):
        yield record(stream % 255 + 1, 0, b'x' * 500)
        yield fp.ReadEnd(len=self.asked)


class ReadNoStream(Reads):
    """Records on stream 0, of unknown types and of no type."""

    def content(self, stream):
        for data in (b'\0', b'\0\0x', bytes([stream]), bytes([stream, 0]), bytes([stream, 2, 1]), bytes([stream, 99, 1])):
            yield data
        yield fp.ReadEnd(len=self.asked)


class ReadDrip(Reads):
    """A byte every now and then."""

    def content(self, stream):
        for at in range(self.asked):
            until = time.monotonic() + 0.4
            while time.monotonic() < until:
                yield
            yield record(stream, 0, CONTENT[at:at + 1])
        yield fp.ReadEnd(len=self.asked, crc32=zlib.crc32(CONTENT[:self.asked]))


class ReadHuge(Honest):
    """A file of 2^64 - 1 bytes."""

    def do_read(self, _):
        yield fp.ReadReply(size=HUGE, len=HUGE, fs_gen=7)
        while True:
            yield


class ZeroEpoch(Honest):
    """Its epoch is all zeros, and it hangs up once, in the second read."""

    reads = 0

    def do_hello(self, ask):
        for reply in super().do_hello(ask):
            reply.epoch = bytes(8)
            yield reply

    def do_read(self, ask):
        self.reads += 1
        if self.reads == 2:
            raise Gone
        yield from super().do_read(ask)


class Hog(Honest):
    """Has one stream, and never answers a read until it is asked who it is a second time."""

    hellos = 0

    def do_hello(self, ask):
        self.hellos += 1
        for reply in super().do_hello(ask):
            reply.max_streams = 1
            yield reply

    def do_read(self, ask):
        while self.hellos == 1:
            yield
        yield from super().do_read(ask)


class Dirty(Honest):
    """Its volumes change before each time that it tells them."""

    def do_volumes(self, ask):
        self.work.insert(0, Work(0, iter([fp.Event(kind=fp.EVENT_VOLUME_CHANGED, subject=b'/flash')])))
        yield
        yield from super().do_volumes(ask)


class Media(Honest):
    """A medium comes, and comes again whenever its storages were told; how often they were is the firmware's counter."""

    asked = 0

    def do_storages(self, ask):
        self.asked += 1
        self.work.append(Work(0, iter([fp.Event(kind=fp.EVENT_MEDIA_IN, subject=b'flash0')])))
        yield
        yield from super().do_storages(ask)

    def do_stats(self, _):
        yield fp.StatsReply(counters=[fp.Counter(name=b'asked', value=self.asked)], last=True)


class ReadTwice(Reads):
    def content(self, stream):
        for _ in range(2):
            yield fp.ReadReply(size=len(CONTENT), len=self.asked, fs_gen=7)


class Digests(Honest):
    """Digests of files as the ARGUMENT says."""

    def do_digest(self, ask):
        for reply in super().do_digest(ask):
            yield self.lie(reply)


class Fails(Honest):
    """Every request about files: the error of ARGUMENT, with hostile words."""

    def do_list(self, _):
        yield fp.Failure(error=int(self.argument), detail=HOSTILE, needed=HUGE, free=HUGE, limit=HUGE)

    do_stat = do_read = do_put_open = do_mkdir = do_remove = do_rename = do_digest = do_check = do_list


class FailsTwice(Honest):
    """A storm of Failures, for each request many, and for requests of nobody."""

    def do_list(self, _):
        for _ in range(500):
            yield fp.Failure(error=self.random.choice((2, 5, 16, 71, 203)), detail=b'no')
            self.link.room(0) and self.link.send(MSG, self.written(self.random.randrange(1 << 32), fp.Failure(error=5)))

    do_stat = do_read = do_put_open = do_remove = do_list


class OtherKind(Honest):
    """The answer to everything is Done."""

    def do_list(self, _):
        yield fp.Done(fs_gen=7)

    do_stat = do_read = do_chunk_digest = do_chunk_read = do_list


class AnyKind(Honest):
    """Everything online is answered by a message at random, with random numbers in it."""

    def any(self, _):
        for _ in range(self.random.randrange(1, 4)):
            made = getattr(fp, self.random.choice([name.rpartition('.')[2] for name in BODY]))()
            for field in made.DESCRIPTOR.fields:
                if field.label != field.LABEL_REPEATED and field.cpp_type in (field.CPPTYPE_UINT32, field.CPPTYPE_UINT64):
                    setattr(made, field.name, self.random.choice((0, 1, 2, 0xffffffff)))
            yield made

    do_list = do_stat = do_read = do_digest = do_put_open = do_put_commit = do_mkdir = do_remove = do_rename = any
    do_check = do_stats = do_freeze = do_thaw = do_chunk_digest = do_chunk_changed = do_chunk_read = do_nonce = any


class Chatter(Honest):
    """Events and console text without end, between honest answers."""

    def turn(self):
        super().turn()
        if self.link.nonce and not self.wire.full():
            for kind in (1, 2, 3, 4, 5, 99):
                event = self.written(0, fp.Event(kind=kind, subject=b'flash0', text=b'\x1b[2J'))
                self.link.room(len(event)) and self.link.send(MSG, event)
            self.wire.send(b'\0' + b'I am talking \x1b[31m\r\n' * 100)
            self.link.emit(CONSOLE, b'\xff' * 900)

    def serve(self):
        self.link = link.Link(self.wire)
        self.session = None
        self.begin_session()
        while True:
            self.link.received(self.wire.receive(0.01))
            self.turn()


class Acks(Honest):
    """Acknowledges what was never sent, withdraws credit and asks to hold, again and again."""

    def turn(self):
        super().turn()
        if self.link.nonce:
            self.wire.send(b'\0' + encode(Frame(ACK, self.link.next, (self.link.awaited + 40) % 256, 0xffff, b'\xff' * 4)))
            self.wire.send(encode(Frame(ACK, self.link.next, self.link.awaited, self.random.choice((0, 1, 900)), struct.pack('<IBB', 0, 0xf, 7))))


class NoCredit(Honest):
    """Takes Hello, then never grants a byte again, and holds."""

    def do_list(self, _):
        while True:
            link.MEMORY = 0
            self.link.ack(link.HOLD)
            until = time.monotonic() + 0.1
            while time.monotonic() < until:
                yield


class Puts(Honest):
    """PutOpenReply as the ARGUMENT says."""

    def do_put_open(self, ask):
        for reply in super().do_put_open(ask):
            yield self.lie(reply)


class PutEarly(Honest):
    """Says that an upload has landed before it was sent, and again."""

    def do_put_open(self, ask):
        yield fp.PutCommitReply(fs_gen=9)
        yield fp.PutOpenReply()
        yield fp.PutOpenReply(off=1)


class PutBusy(Honest):
    def do_put_commit(self, _):
        yield fp.Failure(error=fp.ERROR_BUSY)


class PutStale(Honest):
    def do_put_commit(self, _):
        yield fp.Failure(error=fp.ERROR_STALE)


class Findings(Honest):
    """A check that finds for ever."""

    def do_check(self, _):
        while True:
            yield fp.Event(kind=5, subject=b'/flash', level=self.random.randrange(9), text=b'\x1b[2J\xff' * 20)


class EndlessStats(Honest):
    def do_stats(self, _):
        while True:
            yield fp.StatsReply(counters=[fp.Counter(name=b'flash0.\x1b[31m', value=HUGE)])


class Chunks(Honest):
    """Digests of chunks that nobody asked about."""

    def do_chunk_digest(self, _):
        yield fp.ChunkDigestReply(gen=7, first=4_000_000_000, digests=bytes(512), status=bytes(32), last=True)


class ChunkDigests(Honest):
    """Digests as the ARGUMENT says."""

    def do_chunk_digest(self, ask):
        for reply in super().do_chunk_digest(ask):
            yield self.lie(reply)


class ChunkEndless(Honest):
    def do_chunk_digest(self, ask):
        while True:
            yield fp.ChunkDigestReply(gen=7, first=ask.first)

    def do_chunk_changed(self, _):
        while True:
            yield fp.ChunkChangedReply(gen=7, runs=[fp.ChunkRun(first=0, count=0xffffffff)] * 32)


class ChunkFlood(Honest):
    """Random digests, and chunks of more bytes than a chunk has."""

    def do_chunk_digest(self, ask):
        yield fp.ChunkDigestReply(gen=7, first=ask.first, digests=os.urandom(16 * ask.count), status=bytes(ask.count), last=True)

    def do_chunk_read(self, ask):
        for _ in range(600):
            yield record(ask.stream, 0, b'x' * 900)
        yield fp.ChunkReadReply(gen=7, status=bytes(ask.count))


class ChunkLies(ChunkFlood):
    """Chunks whose bytes do not have the digest that was told."""

    def do_chunk_read(self, ask):
        yield record(ask.stream, 1, b'\x55' + struct.pack('<I', ask.count * CHUNK))
        yield fp.ChunkReadReply(gen=7, status=bytes(ask.count), gen_first=7)


class Regrows(ChunkFlood):
    """When the first chunks are asked for its storage gets chunks of 64 KiB, before it answers; all that it is asked is answered in those."""

    chunks_of_flash, size = 256, CHUNK

    def do_storages(self, ask):
        self.told = self.size > CHUNK
        for reply in super().do_storages(ask):
            reply.chunk_size = reply.block_size = self.size
            yield reply

    def grow(self):
        if self.size == CHUNK:
            self.size = 16 * CHUNK
            self.work.append(Work(0, iter([fp.Event(kind=fp.EVENT_MEDIA_IN, subject=b'flash0')])))
        while not self.told:
            yield

    def do_chunk_read(self, ask):
        size = self.size if self.told else CHUNK
        yield from self.grow()
        yield from records(ask.stream, b'ABCDEFGH' * (ask.count * size // 8), self.link.frame_max)
        yield fp.ChunkReadReply(gen=1, gen_first=1, status=bytes(ask.count))

    def do_chunk_write(self, ask):
        coming = self.incoming[ask.stream] = Incoming(ask.count * (self.size if self.told else CHUNK))
        yield from self.grow()
        yield fp.ChunkWriteReply(done=False, gen=1)
        while not coming.whole():
            yield
        yield fp.ChunkWriteReply(done=True, gen=1)


class ChunkStatus(Honest):
    """A status that is none, and more or fewer of them than chunks."""

    def do_chunk_read(self, ask):
        yield record(ask.stream, 1, b'\x55' + struct.pack('<I', ask.count * CHUNK))
        yield fp.ChunkReadReply(gen=7, status=b'\x63' * self.random.randrange(64), gen_first=7)


class NewNames(Honest):
    """Another device at each turn, gone as soon as it was there."""

    hellos, turns_left = 0, None

    def do_hello(self, ask):
        self.hellos += 1
        for reply in super().do_hello(ask):
            reply.device_id = b'name-%d' % self.hellos
            yield reply

    def do_storages(self, ask):
        yield from super().do_storages(ask)
        self.turns_left = 5     # in which all of that arrives

    def turn(self):
        super().turn()
        if self.turns_left is not None:
            self.turns_left -= 1
            if self.turns_left == 0:
                self.turns_left = None
                raise Gone


class EndlessDirectory(Honest):
    """Lists a new file whenever one was removed."""

    listings = 0

    def do_volumes(self, ask):
        for reply in super().do_volumes(ask):
            reply.size = 16 << 10
            yield reply

    def do_list(self, ask):
        self.listings += 1
        yield fp.ListReply(entries=[self.entry(b'f%d' % self.listings, b'')], last=True, next=1)

    def do_remove(self, _):
        yield fp.Done(fs_gen=1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--id', required=True)
    parser.add_argument('--listen', required=True)
    parser.add_argument('manner')
    parser.add_argument('argument', nargs='?')
    chosen = parser.parse_args()
    wire = Wire(chosen.listen)
    serve_for_ever(globals()[chosen.manner](wire, chosen.id, chosen.argument))


if __name__ == '__main__':
    main()
