# SPDX-License-Identifier: MIT
"""Frames: PROTOCOL.md section 1.

    encode(frame)       a frame's bytes on the wire, its last zero included
    Reader.feed(bytes)  the frames that are complete, in order
"""
import dataclasses
import struct
import zlib

SYN, SYNACK, MSG, BULK, ACK, BUSY, CONSOLE = range(1, 8)
HAS_ACK = 0x10
TEXT = {*range(0x08, 0x0e), 0x1b, *range(0x20, 0x7f), *range(0x80, 0x100)}


@dataclasses.dataclass
class Frame:
    kind: int
    seq: int = 0
    ack: int | None = None
    credit: int = 0
    payload: bytes = b''


def cobs(data):
    out, pieces = bytearray(), data.split(b'\0')
    for i, piece in enumerate(pieces):
        while len(piece) >= 254:
            out += b'\xff' + piece[:254]
            piece = piece[254:]
            if not piece and i == len(pieces) - 1:
                return bytes(out)
        out.append(len(piece) + 1)
        out += piece
    return bytes(out)


def uncobs(data):
    """None where the codes do not add up."""
    out, at = bytearray(), 0
    while at < len(data):
        code = data[at]
        if at + code > len(data):
            return None
        out += data[at + 1:at + code]
        at += code
        if code < 255 and at < len(data):
            out.append(0)
    return bytes(out)


def encode(frame):
    head = bytes([frame.kind, frame.seq])
    if frame.ack is not None:
        head = struct.pack('<BBBH', frame.kind | HAS_ACK, frame.seq, frame.ack, frame.credit)
    data = head + frame.payload
    return cobs(data + struct.pack('<I', zlib.crc32(data))) + b'\0'


def decode(segment):
    """The frame between two zeros, or None."""
    data = uncobs(segment)
    if data is None or len(data) < 6 or zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], 'little'):
        return None
    first, seq, rest = data[0], data[1], data[2:-4]
    if first & 0xe0:
        return None
    if not first & HAS_ACK:
        return Frame(first & 15, seq, payload=rest)
    if len(rest) < 3:
        return None
    ack, credit = struct.unpack_from('<BH', rest)
    return Frame(first & 15, seq, ack, credit, rest[3:])


def looks_like_frame(segment):
    return len(segment) >= 2 and segment[0] > 1 and 1 <= segment[1] & 15 <= 7 and not segment[1] & 0xe0


class Reader:
    """Bytes in, frames out; keeps one frame of frame_max at most. Console text of the host's is of no use to us."""

    def __init__(self, frame_max):
        most = 2 + 3 + frame_max + 4
        self.room = most + most // 254 + 1
        self.segment, self.size, self.damaged = bytearray(), 0, 0

    def feed(self, data):
        frames = []
        for i, piece in enumerate(data.split(b'\0')):
            if i > 0:
                frames += self.end()
            self.segment += piece[:self.room - len(self.segment)]
            self.size += len(piece)
        return frames

    def end(self):
        """A zero came: the frame before it, if it was one."""
        segment, fits = bytes(self.segment), self.size <= self.room
        self.segment, self.size = bytearray(), 0
        frame = decode(segment) if looks_like_frame(segment) and fits else None
        if frame:
            return [frame]
        self.damaged += looks_like_frame(segment) or not TEXT.issuperset(segment)
        return []
