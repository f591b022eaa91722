# SPDX-License-Identifier: MIT
"""The device's end of the reliable link: PROTOCOL.md section 2.

    link.received(bytes)    takes what came over the wire; payloads of MSG and
                            BULK frames, in order, then stand in link.inbox
    link.room(size)         may a frame of so much payload be sent now?
    link.send(kind, data)   sends it, reliably
    link.poll()             timers; to be called every few milliseconds
    link.nonce              the session's, None without one; whoever remembers
                            it sees that a new session began

`wire.send(bytes)` is where bytes go, `wire.full()` says that they wait there.
What comes is always taken at once, so credit is the same at all times.
"""
import collections
import dataclasses
import struct
import time

from frames import ACK, BULK, BUSY, CONSOLE, MSG, SYN, SYNACK, Frame, Reader, encode

POKE, HOLD, YIELD, AGAIN = 1, 2, 4, 8
WINDOW = 32      # reliable frames under way
LEAST = 0.024    # s of the retransmission time, and what is added to a round trip
MARGIN = 0.012
SILENCE = 5.0    # s without a good frame while something is awaited: down
MEMORY = 1024    # units of credit that are granted


def cost(size):
    return (size + 16 + 15) // 16


@dataclasses.dataclass
class Sent:
    kind: int
    payload: bytes
    turn: int               # of all transmissions, to tell which was later
    at: float
    again: bool = False     # sent more than once: measures nothing
    arrived: bool = False


class Link:
    def __init__(self, wire, frame_max=1024, clock=time.monotonic):
        self.wire, self.own_max, self.clock = wire, frame_max, clock
        self.reader = Reader(frame_max)
        self.nonce = None
        self.refused_at = -1.0
        self.counts = collections.Counter()
        self.reset(None, frame_max)

    def reset(self, nonce, frame_max):
        """A session begins, or ends with None; nothing of an earlier one is left."""
        now = self.clock()
        self.nonce, self.frame_max = nonce, frame_max
        self.inbox = collections.deque()
        # Receiving: the number awaited, what came ahead of it, and what no frame of ours has acknowledged yet.
        self.awaited, self.ahead, self.owed, self.owed_units, self.owed_until = 0, {}, 0, 0, now
        # Sending: the number awaited there and the next new one, what lies between, and the grant.
        self.acked, self.next, self.flight, self.credit, self.turn, self.latest = 0, 0, {}, 0, 0, -1
        self.smoothed, self.varies, self.least, self.backoff = None, 0.0, LEAST, 0
        self.timer_sent, self.progress, self.heard, self.quiet_until = -1.0, now, now, 0.0
        self.poke_at, self.poke_wait = None, 0.0

    # --- frames out ----------------------------------------------------------

    def emit(self, kind, payload=b'', seq=None):
        """Every frame tells what has come; so nothing is owed any more."""
        self.owed = self.owed_units = 0
        self.wire.send(b'\0' + encode(Frame(kind, self.next if seq is None else seq, self.awaited, MEMORY, payload)))

    def ack(self, flags=0):
        bitmap = sum(1 << (number - self.awaited - 1) % 256 for number in self.ahead)
        self.emit(ACK, struct.pack('<IBB', bitmap, flags, 0) if bitmap or flags else b'')

    def used(self):
        return sum(cost(len(sent.payload)) for sent in self.flight.values())

    def room(self, size):
        return (self.nonce is not None and not self.wire.full() and len(self.flight) < WINDOW
                and self.used() + cost(size) <= self.credit)

    def send(self, kind, payload):
        now = self.clock()
        if not self.flight:
            self.progress = self.heard = now  # from now on something is awaited
        self.flight[self.next] = Sent(kind, payload, self.turn, now)
        self.turn += 1
        self.emit(kind, payload)
        self.next = (self.next + 1) % 256
        self.counts['tx'] += 1

    def resend(self, number):
        sent = self.flight[number]
        sent.turn, sent.again = self.turn, True
        self.turn += 1
        self.emit(sent.kind, sent.payload, number)
        self.counts['again'] += 1

    # --- frames in -----------------------------------------------------------

    def received(self, data):
        for frame in self.reader.feed(data):
            if frame.ack is None and frame.kind in (SYN, SYNACK, ACK):
                continue
            if frame.kind == SYN:
                self.syn(frame)
            elif self.nonce is None:
                self.no_session(frame)
            elif frame.kind != SYNACK:
                self.frame(frame)

    def syn(self, frame):
        if len(frame.payload) < 11:
            return
        version, frame_max = struct.unpack_from('<BH', frame.payload)
        nonce = frame.payload[3:11]
        if version < 1 or frame_max < 64 or nonce == bytes(8):
            return
        if nonce != self.nonce:
            self.reset(nonce, min(frame_max, self.own_max))
            self.credit = frame.credit
        self.heard = self.clock()
        self.emit(SYNACK, struct.pack('<BH', 1, self.own_max) + nonce, seq=0)

    def no_session(self, frame):
        """Tells a host that still believes in one, ten times a second at most."""
        now = self.clock()
        if frame.kind != CONSOLE and now - self.refused_at >= 0.1:
            self.refused_at = now
            self.emit(SYNACK, struct.pack('<BH', 1, self.own_max) + bytes(8), seq=0)

    def frame(self, frame):
        self.heard = self.clock()
        if frame.ack is not None:
            self.acknowledged(frame)
        if frame.kind in (MSG, BULK):
            self.reliable(frame)
        elif frame.kind == ACK and frame.payload[4:5] and frame.payload[4] & POKE:
            self.ack()
        elif frame.kind == BUSY and len(frame.payload) >= 2:
            self.quiet_until = self.heard + int.from_bytes(frame.payload[:2], 'little') / 1000

    def reliable(self, frame):
        distance = (frame.seq - self.awaited) % 256
        waiting = sum(cost(len(payload)) for _, payload in self.ahead.values())
        if distance >= 224 or frame.seq in self.ahead:
            self.ack(AGAIN)
        elif distance > WINDOW or len(frame.payload) > self.frame_max or waiting + cost(len(frame.payload)) > MEMORY:
            self.reader.damaged += 1
            self.ack()
        elif distance:
            self.ahead[frame.seq] = frame.kind, frame.payload
            self.ack()
        else:
            self.in_order(frame)

    def in_order(self, frame):
        gap = bool(self.ahead)
        self.ahead[frame.seq] = frame.kind, frame.payload
        if not self.owed:
            # What comes in bulk nothing answers; after anything else a message goes soon.
            self.owed_until = self.heard + (0.001 if frame.kind == BULK else 0.01)
        while self.awaited in self.ahead:
            self.inbox.append(self.ahead.pop(self.awaited))
            self.awaited = (self.awaited + 1) % 256
            self.owed += 1
            self.owed_units += cost(len(self.inbox[-1][1]))
            self.counts['rx'] += 1
        if gap or self.owed >= 8 or self.owed_units >= MEMORY // 4:
            self.ack()

    def acknowledged(self, frame):
        newly = (frame.ack - self.acked) % 256
        if newly > (self.next - self.acked) % 256:
            return
        self.credit = frame.credit
        for _ in range(newly):
            self.arrived(self.flight.pop(self.acked))
            self.acked = (self.acked + 1) % 256
        flags = frame.payload[4] if frame.kind == ACK and len(frame.payload) > 5 else 0
        if frame.kind == ACK and len(frame.payload) >= 4:
            bitmap = int.from_bytes(frame.payload[:4], 'little')
            for i in range(32):
                sent = self.flight.get((self.acked + 1 + i) % 256)
                if bitmap >> i & 1 and sent and not sent.arrived:
                    self.arrived(sent)
        if flags & AGAIN and self.timer_sent >= 0:
            # The timer was wrong: the other end was only busy.
            self.least = min(0.16, max(self.least, self.heard - self.timer_sent + MARGIN))
        if newly:
            self.progress, self.backoff, self.timer_sent = self.heard, 0, -1.0
        self.resend_lost()

    def arrived(self, sent):
        sent.arrived = True
        self.latest = max(self.latest, sent.turn)
        if not sent.again:
            self.measure(self.heard - sent.at)

    def measure(self, trip):
        if self.smoothed is None:
            self.smoothed, self.varies = trip, trip / 2
        else:
            self.varies += (abs(self.smoothed - trip) - self.varies) / 4
            self.smoothed += (trip - self.smoothed) / 8
        self.least = max(LEAST, self.least - 0.000125)

    def resend_lost(self):
        """Bytes do not overtake each other: what was transmitted before something that has come is lost."""
        for number, sent in sorted(self.flight.items(), key=lambda item: item[1].turn):
            if not sent.arrived and sent.turn < self.latest:
                self.resend(number)

    # --- timers --------------------------------------------------------------

    def timeout(self):
        first = 0.25 if self.smoothed is None else self.smoothed + 4 * self.varies + MARGIN
        first = min(2.0, max(self.least, first))
        return min(first * 2 ** self.backoff, max(first, 0.64))

    def poll(self):
        now = self.clock()
        if self.nonce is None:
            return
        if self.owed and now >= self.owed_until:
            self.ack()
        if now < self.quiet_until:
            self.progress = self.heard = now
        elif self.flight and not self.wire.full() and now - self.progress >= self.timeout():
            self.resend(self.acked)
            self.progress = self.timer_sent = now
            self.backoff = min(self.backoff + 1, 4)
        waits = bool(self.flight) or self.poke_at is not None
        if waits and now - self.heard >= SILENCE:
            self.reset(None, self.own_max)

    def starved(self, is_starved):
        """Something waits to be sent, nothing is under way, and credit does not reach: asks for news of it."""
        now = self.clock()
        if not is_starved or self.flight:
            self.poke_at = None
        elif self.poke_at is None:
            self.poke_wait = self.timeout()
            self.poke_at, self.heard = now + self.poke_wait, now
        elif now >= self.poke_at:
            self.poke_wait = min(2 * self.poke_wait, 0.64)
            self.poke_at = now + self.poke_wait
            self.ack(POKE)
