# SPDX-License-Identifier: MIT
"""The device: PROTOCOL.md sections 3 and 4.

A request is answered by a generator that yields messages, records of bulk data,
or None where it has to wait. Several are at work at once; each sends its next
one when the link has room for it. What a host may get wrong is a Refusal.
"""
import hashlib
import os
import struct
import time
import zlib

from flash import CHUNK, EMPTY, NAME_MAX, Refusal, Volume
from frames import BULK, MSG
from link import MEMORY, Link
from messages import Unreadable, check, fp, read
from wire import Gone

RAW, FILL = 0, 1
CAPS = 1 | 2 | 4 | 128 | 512  # directories, staged, replaces in one step, renames directories, writable
MAX_REQUESTS, MAX_STREAMS = 8, 4
PASSING = fp.ERROR_BUSY, fp.ERROR_NFILE, fp.ERROR_NOMEM, fp.ERROR_STALE
RESULTS = 8         # results of operations that are remembered
ABANDONED_S = 60    # an upload that nobody continued
CHUNKS = 64         # of one request at most: a status each has to fit into a reply
BODY = {field.message_type.full_name: field.name for field in fp.Envelope.DESCRIPTOR.fields if field.message_type}


def record(stream, kind, data):
    return bytes([stream, kind]) + data


def records(stream, data, size):
    """Content as records of at most `size` bytes; what is one byte throughout as a fill."""
    for at in range(0, len(data), size - 2):
        part = data[at:at + size - 2]
        if len(part) > 16 and part == part[:1] * len(part):
            yield record(stream, FILL, part[:1] + struct.pack('<I', len(part)))
        else:
            yield record(stream, RAW, part)


class Incoming:
    """Content that comes on a stream. An error is told when it is asked for."""

    def __init__(self, size):
        self.size, self.data, self.error = size, bytearray(), None

    def take(self, kind, data):
        if self.error:
            return
        if kind == RAW and data:
            size = len(data)
        elif kind == FILL and len(data) == 5 and data[1:] != bytes(4):
            size = int.from_bytes(data[1:], 'little')
        else:
            self.error = Refusal(fp.ERROR_NOTSUP if kind == 2 else fp.ERROR_PROTO, 'no such record')
            return
        if size > self.size - len(self.data):
            self.error = Refusal(fp.ERROR_PROTO, 'more bytes than announced')
            return
        self.data += data if kind == RAW else data[:1] * size

    def whole(self):
        return len(self.data) == self.size


class Upload(Incoming):
    def __init__(self, ask, path):
        super().__init__(ask.size)
        self.ask, self.path, self.stream, self.touched = ask, path, ask.stream, time.monotonic()


class Work:
    """A request that is being answered."""

    def __init__(self, request_id, steps):
        self.id, self.steps, self.ready = request_id, steps, None


class Device:
    def __init__(self, wire, name, flash):
        self.wire, self.name, self.epoch, self.flash = wire, name.encode(), os.urandom(8), flash
        self.volume = Volume(flash)
        self.uploads, self.results = {}, {}
        if flash.chunk(0) == b'\xff' * CHUNK:
            self.volume.format()
        else:
            self.mount()

    # --- the loop ------------------------------------------------------------

    def serve(self):
        """One peer, until it hangs up."""
        self.link = Link(self.wire)
        self.session = self.link.nonce
        self.begin_session()
        while True:
            idle = not self.work and not self.link.flight and not self.link.owed
            self.link.received(self.wire.receive(1 if idle else 0.002))
            self.turn()

    def turn(self):
        if self.link.nonce != self.session:
            self.session = self.link.nonce
            self.begin_session()
        while self.link.inbox:
            kind, payload = self.link.inbox.popleft()
            self.request(payload) if kind == MSG else self.bulk(payload)
        self.answer()
        self.link.poll()

    def begin_session(self):
        """What a host asked in an earlier one is over, but uploads go on."""
        self.work, self.streams, self.greeted, self.nonce, self.restoring = [], {}, False, None, False
        self.incoming = {}

    def answer(self):
        """Everyone at work sends what the link has room for, one item each in turn."""
        moved = True
        while moved:
            moved = False
            for work in list(self.work):
                self.step(work)
                if work.ready and self.link.room(len(work.ready[1])):
                    self.link.send(*work.ready)
                    work.ready, moved = None, True
        self.link.starved(any(work.ready for work in self.work) and not self.wire.full())

    def step(self, work):
        """The next item of `work`, if it has none that waits."""
        if work.ready:
            return
        try:
            item = next(work.steps)
        except StopIteration:
            self.work.remove(work)
            return
        except Refusal as refusal:
            item, work.steps = refusal.failure, iter(())
        if isinstance(item, bytes):
            work.ready = BULK, item
        elif item is not None:
            work.ready = MSG, self.written(work.id, item)

    def written(self, request_id, body):
        env = fp.Envelope(id=request_id, **{BODY[body.DESCRIPTOR.full_name]: body})
        check(env)
        assert env.ByteSize() <= self.link.frame_max
        return env.SerializeToString()

    def request(self, payload):
        try:
            env = read(payload)
        except Unreadable as error:
            self.work.append(Work(error.id, self.refuse(fp.ERROR_PROTO, str(error))))
            return
        name = env.WhichOneof('body') or ''
        steps = getattr(self, f'do_{name}', None)
        if env.id == 0 or any(work.id == env.id for work in self.work):
            steps = self.refuse(fp.ERROR_PROTO, 'the id is 0 or at work')
        elif len(self.work) >= MAX_REQUESTS:
            steps = self.refuse(fp.ERROR_NFILE, 'too many requests', limit=MAX_REQUESTS)
        elif not self.greeted and name != 'hello':
            steps = self.refuse(fp.ERROR_PROTO, 'Hello comes first')
        elif steps is None:
            steps = self.refuse(fp.ERROR_NOTSUP, 'no such request')
        else:
            steps = steps(getattr(env, name))
        self.work.append(Work(env.id, steps))

    @staticmethod
    def refuse(error, detail='', **numbers):
        raise_it = Refusal(error, detail, **numbers)
        yield raise_it.failure

    def bulk(self, payload):
        if len(payload) >= 2 and payload[0] in self.incoming:
            self.incoming[payload[0]].take(payload[1], payload[2:])

    # --- who we are ----------------------------------------------------------

    def do_hello(self, ask):
        if not ask.version_min <= 1 <= ask.version_max:
            raise Refusal(fp.ERROR_NOTSUP, 'this device speaks version 1')
        self.greeted = True
        yield fp.HelloReply(version=1, device_id=self.name, model=b'python', firmware=b'1', epoch=self.epoch, rx_bytes=MEMORY * 16,
                            max_requests=MAX_REQUESTS, max_streams=MAX_STREAMS, max_files=MAX_STREAMS, path_max=512, busy_max_ms=100,
                            default_volume=b'/flash', filesystems=b'tar')

    def do_ping(self, _):
        yield fp.Done()

    def do_stats(self, ask):
        counters = [*sorted(self.link.counts.items()), ('damaged', self.link.reader.damaged)][ask.cursor:]
        for at in range(0, len(counters) or 1, 8):
            yield fp.StatsReply(counters=[fp.Counter(name=b'link.' + name.encode(), value=value) for name, value in counters[at:at + 8]],
                                last=at + 8 >= len(counters))

    def do_volumes(self, _):
        volume = self.volume
        about = fp.VolumeReply(present=True, last=True, path=b'/flash', storage=b'flash0', size=len(self.flash.bytes), block_size=CHUNK)
        if volume.mounted():
            about.MergeFrom(fp.VolumeReply(fs=b'tar', writable=True, caps=CAPS, free=volume.free(), name_max=NAME_MAX,
                                           file_max=len(self.flash.bytes), fs_gen=volume.gen, mounted=True))
        else:
            about.reason = self.reason
        yield about

    def do_storages(self, _):
        yield fp.StorageReply(present=True, last=True, name=b'flash0', read_size=1, prog_size=1, block_size=CHUNK, block_count=self.flash.chunks,
                              flags=4, chunk_size=CHUNK, gen=self.flash.gen, gen_trusted=True)

    # --- paths ---------------------------------------------------------------

    def path(self, path):
        """The names within /flash; None for "/" itself."""
        if not path.startswith(b'/'):
            raise Refusal(fp.ERROR_INVAL, 'the path does not begin with /')
        names = tuple(path[1:].split(b'/')) if path != b'/' else ()
        if b'' in names or b'.' in names or b'..' in names or b'\0' in path:
            raise Refusal(fp.ERROR_INVAL, 'no path of a file')
        if not names:
            return None
        if names[0] != b'flash':
            raise Refusal(fp.ERROR_NOENT, 'no such volume')
        if not self.volume.mounted():
            raise Refusal(fp.ERROR_BUSY if self.restoring else fp.ERROR_NOENT, self.reason.decode())
        return names[1:]

    def writable(self, path):
        names = self.path(path)
        if names is None:
            raise Refusal(fp.ERROR_ROFS, '/ holds volumes only')
        return names

    def entry(self, name, data):
        is_dir = data is EMPTY
        return fp.Entry(name=name, type=fp.FILE_TYPE_DIR if is_dir else fp.FILE_TYPE_FILE, size=0 if is_dir else len(data))

    def do_stat(self, ask):
        names = self.path(ask.path)
        yield fp.StatReply(entry=self.entry(b'', EMPTY if names is None else self.volume.get(names)), fs_gen=self.volume.gen)

    def do_list(self, ask):
        names = self.path(ask.path)
        found = [(b'flash',)] if names is None else self.volume.listed(names)
        gen, end = self.volume.gen, min(len(found), ask.cursor + (ask.limit or len(found)))
        at = ask.cursor
        while True:
            if self.volume.gen != gen:
                raise Refusal(fp.ERROR_STALE, 'it changed on the way')
            part = found[at:min(at + 3, end)]
            at += 3
            last = at >= end
            yield fp.ListReply(entries=[self.entry(p[-1], EMPTY if names is None else self.volume.nodes[p]) for p in part], fs_gen=gen, last=last,
                               next=end if last and end < len(found) else 0)
            if last:
                return

    @staticmethod
    def part(data, ask):
        if ask.off > len(data):
            raise Refusal(fp.ERROR_INVAL, 'the offset is behind the end')
        return data[ask.off:ask.off + ask.len] if ask.len else data[ask.off:]

    def do_read(self, ask):
        data, gen = self.volume.file(self.path(ask.path) or ()), self.volume.gen
        if ask.has_if_gen and ask.if_gen != gen:
            raise Refusal(fp.ERROR_STALE, 'the volume has changed')
        part = self.part(data, ask)
        yield fp.ReadReply(size=len(data), len=len(part), fs_gen=gen)
        yield from records(ask.stream, part, self.link.frame_max)
        yield fp.ReadEnd(len=len(part), crc32=zlib.crc32(part))

    def do_digest(self, ask):
        data = self.volume.file(self.path(ask.path) or ())
        part = self.part(data, ask)
        yield fp.DigestReply(sha256=hashlib.sha256(part).digest(), size=len(data), fs_gen=self.volume.gen)

    # --- changes -------------------------------------------------------------

    def once(self, op_id, change):
        """Does what `change` does, or answers as it did when the host first asked."""
        while self.flash.frozen():
            yield None
        if len(op_id) not in (0, 8):
            raise Refusal(fp.ERROR_INVAL, 'an op_id has 8 bytes')
        if op_id not in self.results:
            answer = None
            try:
                change()
            except Refusal as refusal:
                answer = refusal
            if op_id and not (answer and answer.failure.error in PASSING):
                self.results[op_id] = answer
            for old in list(self.results)[:-RESULTS]:
                del self.results[old]
        else:
            answer = self.results[op_id]
        if answer:
            raise answer

    def changed(self, op_id, change):
        yield from self.once(op_id, change)
        yield fp.Done(fs_gen=self.volume.gen)

    def do_mkdir(self, ask):
        yield from self.changed(ask.op_id, lambda: self.volume.mkdir(self.writable(ask.path)))

    def do_remove(self, ask):
        def change():
            names = self.writable(ask.path)
            if not names:
                raise Refusal(fp.ERROR_ROFS, 'a volume is not removed')
            if ask.if_sha256 and ask.if_sha256 != hashlib.sha256(self.volume.file(names)).digest():
                raise Refusal(fp.ERROR_PRECOND, 'its content is another')
            self.volume.remove(names)
        yield from self.changed(ask.op_id, change)

    def do_rename(self, ask):
        def change():
            old, new = self.writable(getattr(ask, 'from')), self.writable(ask.to)
            if not old or not new:
                raise Refusal(fp.ERROR_ROFS, 'a volume is not renamed')
            self.volume.rename(old, new, ask.no_replace)
        yield from self.changed(ask.op_id, change)

    def do_truncate(self, ask):
        def change():
            names = self.writable(ask.path)
            data = self.volume.file(names)
            if ask.size > len(self.flash.bytes):
                raise Refusal(fp.ERROR_FBIG, 'larger than the volume', limit=len(self.flash.bytes))
            self.volume.put(names, data[:ask.size].ljust(ask.size, b'\0'))
        yield from self.changed(ask.op_id, change)

    # --- uploads -------------------------------------------------------------

    def do_put_open(self, ask):
        names, known = self.writable(ask.path), self.uploads.get(ask.upload_id)
        self.forget_abandoned()
        if known and (known.ask.path, known.ask.size, known.ask.mode) != (ask.path, ask.size, ask.mode):
            raise Refusal(fp.ERROR_INVAL, 'this upload was begun as another one')
        if known is None:
            known = self.begin_upload(ask, names)
        self.incoming[ask.stream] = known
        known.stream, known.touched = ask.stream, time.monotonic()
        yield fp.PutOpenReply(off=len(known.data))

    def begin_upload(self, ask, names):
        if len(ask.upload_id) != 16:
            raise Refusal(fp.ERROR_INVAL, 'upload_id has 16 bytes')
        if ask.mode != fp.PUT_STAGED:
            raise Refusal(fp.ERROR_NOTSUP, 'only staged uploads')
        if self.volume.place(names) is EMPTY:
            raise Refusal(fp.ERROR_ISDIR, 'it is a directory')
        if len(self.uploads) >= MAX_STREAMS:
            raise Refusal(fp.ERROR_NFILE, 'too many uploads', limit=MAX_STREAMS)
        needed = ask.size + 1024
        if needed > self.volume.free():
            raise Refusal(fp.ERROR_NOSPC, 'the volume is full', needed=needed, free=self.volume.free())
        self.uploads[ask.upload_id] = Upload(ask, names)
        self.volume.reserved += needed
        return self.uploads[ask.upload_id]

    def end_upload(self, upload_id):
        upload = self.uploads.pop(upload_id, None)
        if upload:
            self.volume.reserved -= upload.size + 1024
            self.incoming = {stream: what for stream, what in self.incoming.items() if what is not upload}
        return upload

    def forget_abandoned(self):
        now = time.monotonic()
        for upload_id, upload in list(self.uploads.items()):
            if now - upload.touched > ABANDONED_S and upload not in self.incoming.values():
                self.end_upload(upload_id)

    def do_put_commit(self, ask):
        def change():
            upload = self.uploads.get(ask.upload_id)
            if upload is None:
                raise Refusal(fp.ERROR_STALE, 'no such upload')
            if not upload.error and not upload.whole():
                raise Refusal(fp.ERROR_INVAL, 'fewer bytes than announced', needed=upload.size - len(upload.data))
            self.end_upload(ask.upload_id)
            if upload.error:
                raise upload.error
            if hashlib.sha256(upload.data).digest() != ask.sha256:
                raise Refusal(fp.ERROR_DIGEST, 'the content has another SHA-256')
            self.preconditions(ask, upload.path)
            self.volume.put(upload.path, upload.data)
        yield from self.once(ask.op_id, change)
        yield fp.PutCommitReply(fs_gen=self.volume.gen)

    def preconditions(self, ask, names):
        there = self.volume.nodes.get(names)
        if ask.has_if_gen and ask.if_gen != self.volume.gen:
            raise Refusal(fp.ERROR_PRECOND, 'the volume has changed')
        if ask.if_absent and there is not None:
            raise Refusal(fp.ERROR_PRECOND, 'the file exists')
        if ask.if_sha256 and (there in (None, EMPTY) or hashlib.sha256(there).digest() != ask.if_sha256):
            raise Refusal(fp.ERROR_PRECOND, 'its content is another')

    def do_put_abort(self, ask):
        self.end_upload(ask.upload_id)
        yield fp.Done()

    # --- volumes -------------------------------------------------------------

    def called(self, name):
        if name != b'/flash':
            raise Refusal(fp.ERROR_NOENT, 'no such volume')

    def drop_uploads(self):
        for upload_id in list(self.uploads):
            self.end_upload(upload_id)

    def mount(self):
        """If it can be; else there is a reason."""
        try:
            self.volume.mount()
        except Refusal as refusal:
            self.reason = refusal.failure.detail

    def do_mount(self, ask):
        def change():
            self.called(ask.volume)
            if ask.fs not in (b'', b'auto', b'tar') or ask.options:
                raise Refusal(fp.ERROR_NOTSUP, 'only tar, without options')
            if not self.volume.mounted():
                self.volume.mount()
        yield from self.changed(ask.op_id, change)

    def do_unmount(self, ask):
        def change():
            self.called(ask.volume)
            if self.uploads:
                raise Refusal(fp.ERROR_BUSY, 'an upload is under way')
            self.volume.nodes, self.reason = None, b'it was unmounted'
        yield from self.changed(ask.op_id, change)

    def do_format(self, ask):
        def change():
            self.called(ask.volume)
            self.allowed(ask.nonce)
            self.nonce = None  # good for once
            if ask.fs not in (b'', b'tar') or ask.options:
                raise Refusal(fp.ERROR_NOTSUP, 'only tar, without options')
            self.drop_uploads()
            self.volume.format()
        yield from self.changed(ask.op_id, change)

    def do_check(self, ask):
        self.called(ask.volume)
        self.path(b'/flash')
        yield fp.CheckReply()

    def do_nonce(self, _):
        self.nonce = os.urandom(8)
        yield fp.NonceReply(nonce=self.nonce)

    def allowed(self, nonce):
        if not self.nonce or nonce != self.nonce:
            raise Refusal(fp.ERROR_PRECOND, 'the nonce is not this session\'s')

    # --- images --------------------------------------------------------------

    def chunks(self, storage, first, count, most):
        if storage != b'flash0':
            raise Refusal(fp.ERROR_NOENT, 'no such storage')
        if not 0 < count <= most or first + count > self.flash.chunks:
            raise Refusal(fp.ERROR_INVAL, 'no such chunks', limit=most)
        return range(first, first + count)

    def digest(self, index):
        """16 bytes and a status."""
        data = self.flash.chunk(index)
        if data == data[:1] * CHUNK:
            return data[:1] + bytes(15), fp.CHUNK_FILL
        return hashlib.sha256(data).digest()[:16], fp.CHUNK_OK

    def upper_digest(self, group):
        parts = [self.digest(index)[0] for index in range(group * 256, min(group * 256 + 256, self.flash.chunks))]
        return hashlib.sha256(b''.join(parts)).digest()[:16], fp.CHUNK_OK

    def do_chunk_digest(self, ask):
        if ask.level == 0:
            wanted, digest = self.chunks(ask.storage, ask.first, ask.count, self.flash.chunks), self.digest
        else:
            self.chunks(ask.storage, ask.first * 256, 1, 1)
            wanted, digest = range(ask.first, min(ask.first + ask.count, -(-self.flash.chunks // 256))), self.upper_digest
        for at in range(0, len(wanted), 32):
            part = [digest(index) for index in wanted[at:at + 32]]
            yield fp.ChunkDigestReply(gen=self.flash.gen, first=wanted[at], digests=b''.join(d for d, _ in part),
                                      status=bytes(status for _, status in part), last=at + 32 >= len(wanted))

    def do_chunk_changed(self, ask):
        self.chunks(ask.storage, 0, 1, 1)
        changed = self.flash.changed_since(ask.since)
        for at in range(0, len(changed) or 1, 32):
            yield fp.ChunkChangedReply(gen=self.flash.gen, runs=[fp.ChunkRun(first=index, count=1) for index in changed[at:at + 32]],
                                       last=at + 32 >= len(changed))

    def do_chunk_read(self, ask):
        wanted, gen = self.chunks(ask.storage, ask.first, ask.count, CHUNKS), self.flash.gen
        for index in wanted:
            yield from records(ask.stream, self.flash.chunk(index), self.link.frame_max)
        yield fp.ChunkReadReply(gen=self.flash.gen, gen_first=gen, status=bytes(len(wanted)))

    def do_freeze(self, ask):
        self.chunks(ask.storage, 0, 1, 1)
        self.flash.frozen_until = time.monotonic() + min(ask.ms, 500) / 1000
        yield fp.Done(fs_gen=self.volume.gen)

    def do_thaw(self, ask):
        self.chunks(ask.storage, 0, 1, 1)
        self.flash.frozen_until = 0.0
        yield fp.Done(fs_gen=self.volume.gen)

    def do_restore_begin(self, ask):
        self.chunks(ask.storage, 0, 1, 1)
        self.allowed(ask.nonce)
        self.drop_uploads()
        self.volume.nodes, self.restoring, self.reason = None, True, b'it is being restored'
        yield fp.Done()

    def do_restore_end(self, ask):
        self.chunks(ask.storage, 0, 1, 1)
        self.restoring = False
        self.mount()
        yield fp.Done(fs_gen=self.volume.gen)

    def do_chunk_write(self, ask):
        wanted = self.chunks(ask.storage, ask.first, ask.count, self.flash.chunks)
        self.allowed(ask.nonce)
        if not self.restoring:
            raise Refusal(fp.ERROR_PRECOND, 'no restore is under way')
        coming = self.incoming[ask.stream] = Incoming(len(wanted) * CHUNK)
        yield fp.ChunkWriteReply(done=False, gen=self.flash.gen)
        while not coming.whole() and not coming.error:
            yield None
        del self.incoming[ask.stream]
        if coming.error:
            raise coming.error
        for at, index in enumerate(wanted):
            self.flash.write(index, bytes(coming.data[at * CHUNK:(at + 1) * CHUNK]))
        yield fp.ChunkWriteReply(done=True, gen=self.flash.gen)


def serve_for_ever(device):
    while True:
        device.wire.accept()
        try:
            device.serve()
        except Gone:
            device.wire.drop()
