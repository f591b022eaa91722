# SPDX-License-Identifier: MIT
"""The device's one storage and the filesystem on it.

    Flash    a file's bytes, a generation that moves with every write, and
             which chunk was written when
    Volume   files in memory; each change writes them to the flash as a tar
             archive, so that an image of the flash can be read by tar(1)

A Volume raises Refusal with an Error of flashport.proto and what helps a person.
"""
import io
import mmap
import tarfile
import time

from messages import fp

CHUNK = 4096
NAME_MAX = 255
EMPTY = object()  # what a directory has in a file's place


class Refusal(Exception):
    def __init__(self, error, detail='', **numbers):
        super().__init__(detail)
        self.failure = fp.Failure(error=error, detail=detail.encode()[:96], **numbers)


class Flash:
    def __init__(self, path, size):
        with open(path, 'ab') as new:
            new.write(b'\xff' * (size - new.tell()))
        with open(path, 'r+b') as file:
            self.bytes = mmap.mmap(file.fileno(), size)
        self.gen, self.written, self.frozen_until = 1, {}, 0.0
        self.chunks = size // CHUNK

    def chunk(self, index):
        return bytes(self.bytes[index * CHUNK:(index + 1) * CHUNK])

    def write(self, index, data):
        """One chunk; nothing moves where it holds that already."""
        if self.chunk(index) != data:
            self.bytes[index * CHUNK:(index + 1) * CHUNK] = data
            self.gen += 1
            self.written[index] = self.gen

    def changed_since(self, gen):
        return sorted(index for index, at in self.written.items() if at > gen)

    def frozen(self):
        return time.monotonic() < self.frozen_until


class Volume:
    """Paths here are tuples of names, () the root."""

    def __init__(self, flash):
        self.flash, self.gen, self.nodes = flash, 0, None
        self.reserved = 0  # bytes that uploads will need

    def mounted(self):
        return self.nodes is not None

    # --- the archive ---------------------------------------------------------

    def mount(self):
        self.nodes, nodes = None, {(): EMPTY}
        try:
            with tarfile.open(fileobj=io.BytesIO(self.flash.bytes), mode='r:', errors='surrogateescape') as tar:
                for member in tar:
                    path = tuple(member.name.encode('utf-8', 'surrogateescape').split(b'/'))
                    nodes[path] = EMPTY if member.isdir() else tar.extractfile(member).read()
        except tarfile.TarError:
            raise Refusal(fp.ERROR_NOENT, 'no tar archive is there') from None
        self.nodes = nodes
        self.gen += 1

    def archive(self, nodes):
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode='w', format=tarfile.GNU_FORMAT, errors='surrogateescape') as tar:
            for path in sorted(nodes):
                if path:
                    member = tarfile.TarInfo(b'/'.join(path).decode('utf-8', 'surrogateescape'))
                    data = nodes[path]
                    member.type = tarfile.DIRTYPE if data is EMPTY else tarfile.REGTYPE
                    member.size = 0 if data is EMPTY else len(data)
                    tar.addfile(member, None if data is EMPTY else io.BytesIO(data))
        return made.getvalue()

    def keep(self, nodes):
        """Takes `nodes` in the place of what was, on the flash too."""
        made, size = self.archive(nodes), len(self.flash.bytes)
        if len(made) > size:
            raise Refusal(fp.ERROR_NOSPC, 'the archive does not fit', needed=len(made), free=size)
        for index in range(0, -(-len(made) // CHUNK)):
            self.flash.write(index, made[index * CHUNK:(index + 1) * CHUNK].ljust(CHUNK, b'\0'))
        self.nodes = nodes
        self.gen += 1

    def format(self):
        self.keep({(): EMPTY})

    def free(self):
        return max(0, len(self.flash.bytes) - len(self.archive(self.nodes)) - self.reserved - 2048)

    # --- files ---------------------------------------------------------------

    def get(self, path):
        """EMPTY or the content."""
        for depth in range(len(path)):
            if self.nodes.get(path[:depth], EMPTY) is not EMPTY:
                raise Refusal(fp.ERROR_NOTDIR, 'a part of the path is a file')
        if path not in self.nodes:
            raise Refusal(fp.ERROR_NOENT, 'no such file or directory')
        return self.nodes[path]

    def file(self, path):
        data = self.get(path)
        if data is EMPTY:
            raise Refusal(fp.ERROR_ISDIR, 'it is a directory')
        return data

    def listed(self, path):
        if self.get(path) is not EMPTY:
            raise Refusal(fp.ERROR_NOTDIR, 'it is a file')
        return sorted(p for p in self.nodes if p and p[:-1] == path)

    def place(self, path):
        """May an entry of this name be made? What is there now, or None."""
        if not path:
            raise Refusal(fp.ERROR_ISDIR, 'it is the volume itself')
        if len(path[-1]) > NAME_MAX:
            raise Refusal(fp.ERROR_NAMETOOLONG, 'the name is too long', limit=NAME_MAX)
        if self.get(path[:-1]) is not EMPTY:
            raise Refusal(fp.ERROR_NOTDIR, 'a part of the path is a file')
        return self.nodes.get(path)

    def put(self, path, data):
        if self.place(path) is EMPTY:
            raise Refusal(fp.ERROR_ISDIR, 'it is a directory')
        self.keep({**self.nodes, path: bytes(data)})

    def mkdir(self, path):
        if not path or self.place(path) is not None:
            raise Refusal(fp.ERROR_EXIST, 'it exists')
        self.keep({**self.nodes, path: EMPTY})

    def remove(self, path):
        if self.get(path) is EMPTY and self.listed(path):
            raise Refusal(fp.ERROR_NOTEMPTY, 'it is not empty')
        self.keep({p: data for p, data in self.nodes.items() if p != path})

    def rename(self, old, new, no_replace):
        data, there = self.get(old), self.place(new)
        if new[:len(old)] == old and new != old:
            raise Refusal(fp.ERROR_INVAL, 'a directory cannot move into itself')
        if there is not None and no_replace:
            raise Refusal(fp.ERROR_EXIST, 'the new name is taken')
        if there is EMPTY and data is not EMPTY:
            raise Refusal(fp.ERROR_ISDIR, 'the new name is a directory')
        if there not in (None, EMPTY) and data is EMPTY:
            raise Refusal(fp.ERROR_NOTDIR, 'the new name is a file')
        if there is EMPTY and new != old and self.listed(new):
            raise Refusal(fp.ERROR_NOTEMPTY, 'the new name is a directory with entries')
        moved = {p for p in self.nodes if p[:len(old)] == old}
        self.keep({**{p: d for p, d in self.nodes.items() if p not in moved}, **{new + p[len(old):]: self.nodes[p] for p in moved}})
