# SPDX-License-Identifier: MIT
"""The byte path: what a daemon's link finds at its other end.

    unix:PATH, tcp:HOST:PORT   a socket that takes one peer at a time
    pty:PATH                   a pseudo terminal; PATH becomes a link to it

Only one peer is served; a socket's next one begins when it has gone.
"""
import errno
import os
import select
import socket
import tty

FULL = 4096     # bytes that wait here before no more are made
DROP = 1 << 20  # a peer that lets so many wait is no peer


class Gone(Exception):
    """The peer hung up."""


class Wire:
    def __init__(self, where):
        kind, _, place = where.partition(':')
        self.kind, self.listener, self.peer, self.out = kind, None, None, bytearray()
        if kind == 'pty':
            self.peer, self.slave = os.openpty()  # held open: the daemon may come and go
            tty.setraw(self.slave)
            os.set_blocking(self.peer, False)
            if os.path.lexists(place):
                os.unlink(place)
            os.symlink(os.ttyname(self.slave), place)
        elif kind == 'unix':
            self.listener = socket.socket(socket.AF_UNIX)
            if os.path.exists(place):
                os.unlink(place)
            self.listener.bind(place)
        else:
            host, _, port = place.rpartition(':')
            self.listener = socket.create_server((host, int(port)))
        if self.listener:
            self.listener.listen(1)

    def accept(self):
        """Waits for a peer; a pty always has one."""
        if self.listener:
            self.connection, _ = self.listener.accept()
            self.connection.setblocking(False)
            self.peer = self.connection.fileno()
        self.out.clear()

    def drop(self):
        if self.listener:
            self.connection.close()
            self.peer = None

    def send(self, data):
        self.out += data
        self.flush()

    def full(self):
        return len(self.out) > FULL

    def flush(self):
        try:
            while self.out:
                del self.out[:os.write(self.peer, self.out)]
        except BlockingIOError:
            if len(self.out) > DROP:
                raise Gone from None
        except OSError:
            raise Gone from None

    def receive(self, seconds):
        """What has come, after waiting so long at most; bytes that wait to leave do meanwhile."""
        select.select([self.peer], [self.peer] if self.out else [], [], seconds)
        self.flush()
        try:
            data = os.read(self.peer, 65536)
        except BlockingIOError:
            return b''
        except OSError as error:
            if self.kind == 'pty' and error.errno == errno.EIO:
                return b''
            raise Gone from None
        if not data:
            raise Gone
        return data
