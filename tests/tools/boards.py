# SPDX-License-Identifier: MIT
"""Boards that are processes: the firmware of device-agent/ports in QEMU.

A board's UART is a unix socket, at which a daemon finds the agent. `cut()` is a
power cut, which stops the machine between two instructions and throws away all
but what its flash holds; `restart()` starts anew with that flash. `reset()` is
what the button does: between two instructions, and what RAM, flash and the host
hold stays. A reset that the firmware does, also when it faults, stops the
machine, so that it is seen, unless `resets(True)` was called.
"""
import json
import os
import pathlib
import socket

from bed import Process, wait_for

QEMU = '/usr/bin/qemu-system-arm'
BUILDS = pathlib.Path(os.environ.get('FP_FIRMWARE', pathlib.Path(__file__).resolve().parents[2] / 'build'))


class Qmp:
    """QEMU's monitor. Source: its docs/interop/qmp-spec."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.lines, self.events = self.socket.makefile('rw'), []
        self.lines.readline()   # its greeting
        self.run('qmp_capabilities')

    def take(self):
        """A reply, or None: it was an event."""
        line = json.loads(self.lines.readline())
        if 'event' not in line:
            assert 'return' in line, line
            return line
        self.events.append(line['event'])
        return None

    def run(self, command, **arguments):
        self.lines.write(json.dumps({'execute': command, 'arguments': arguments}) + '\n')
        self.lines.flush()
        while not (reply := self.take()):
            pass
        return reply['return']

    def run_until(self, event, command):
        self.events.clear()
        self.run(command)
        while event not in self.events:
            self.take()


class Gdb:
    """Its debugger's end. Source: the GDB manual, appendix E, Overview and Packets."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.stream = self.socket.makefile('rwb')

    def ask(self, text):
        self.stream.write(b'$%s#%02x' % (text.encode(), sum(text.encode()) % 256))
        self.stream.flush()
        assert self.stream.read(1) == b'+', 'it came damaged'
        answer = b''
        while answer[-3:-2] != b'#':
            answer += self.stream.read(1)
        self.stream.write(b'+')
        return answer[1:-3].decode()

    def write(self, address, data, step=1024):
        """Into RAM and flash alike."""
        for at in range(0, len(data), step):
            part = data[at:at + step]
            assert self.ask(f'M{address + at:x},{len(part):x}:{part.hex()}') == 'OK'


def connected(kind, path):
    try:
        return kind(path)
    except OSError:
        return None


class Board(Process):
    """Subclasses say what the firmware is (NAME, ID and the figures of its flash) and what QEMU makes of it."""

    def __init__(self, folder, name, *machine):
        self.ends = self.uart, self.monitor, self.debugger = [folder / f'{name}.{end}' for end in ('unix', 'qmp', 'gdb')]
        sockets = [f'unix:{end},server=on,wait=off' for end in self.ends]
        super().__init__(folder / f'{name}.log', QEMU, '-nographic', '-monitor', 'none', '-S', '-no-shutdown',
                         '-serial', sockets[0], '-qmp', sockets[1], '-gdb', sockets[2], *machine)

    @classmethod
    def built(cls, program, suffix):
        """By ./dev build NAME; the agent, or what else is built beside it."""
        return BUILDS / cls.NAME / 'bin' / f'{program or cls.NAME}.{suffix}'

    def start(self):
        super().start()
        self.qmp = wait_for(self.monitor, lambda: connected(Qmp, self.monitor))
        self.load()
        self.begin()
        return self

    def load(self):
        """What QEMU does not find by itself goes into the chip."""

    def begin(self):
        """The machine stands still, and does what a chip does first."""
        self.resets(True)       # or it would stop at this one
        self.qmp.run_until('RESET', 'system_reset')
        self.resets(False)
        self.qmp.run('cont')

    def resets(self, goes_on):
        """Does the machine begin anew at a reset, or stop?"""
        self.qmp.run('set-action', reboot='reset' if goes_on else 'shutdown')

    def is_running(self):
        return self.qmp.run('query-status')['running']

    def save(self):
        """files() is what flash holds now; the machine stands still from here on."""
        self.qmp.run('stop')    # a drive has it all when that is answered

    def reset(self):
        """files() is what flash held then."""
        self.save()
        self.begin()

    def cut(self):
        self.save()
        self.kill()

    def restart(self):
        for path in self.ends:
            path.unlink(missing_ok=True)
        self.start()


class Microbit(Board):
    """QEMU does not keep its flash, so it is taken out of it and goes in again at the start: through the debugger's end, since
    what QEMU loads itself it loads again at every reset, over what the firmware has written."""
    NAME = 'microbit'
    ID = 'microbit-1234567800000003'    # QEMU's chips have one DEVICEID, all of them
    SIZE, BLOCK, PROG = 144 * 1024, 1024, 4     # at the end of its flash, docs/firmware-ports.md
    FLASH_SIZE = 256 * 1024
    STALLS = True       # the CPU, while flash is written
    PACKS = False       # has room for LZ4
    UNDER_WAY = 1344    # bytes that its agent lets a host send before it has taken them

    def __init__(self, folder, name, program=None):
        self.flash = folder / f'{name}.flash'
        self.flash.write_bytes(self.built(program, 'bin').read_bytes().ljust(self.FLASH_SIZE, b'\xff'))
        super().__init__(folder, name, '-M', 'microbit')

    def load(self):
        gdb = wait_for(self.debugger, lambda: connected(Gdb, self.debugger))
        gdb.write(0, self.flash.read_bytes())
        gdb.socket.close()

    def save(self):
        super().save()
        self.qmp.run('memsave', val=0, size=self.FLASH_SIZE, filename=str(self.flash), **{'cpu-index': 0})

    def files(self):
        return self.flash.read_bytes()[-self.SIZE:]


class Ast1030Evb(Board):
    """The chip behind its controller SPI1 is a file; the one behind FMC, which it would start from, is not used."""
    NAME = 'ast1030-evb'
    ID = 'ast1030-evb-0badcafedeadbeef'     # likewise
    SIZE, BLOCK, PROG = 1 << 20, 4096, 16
    STALLS = False
    PACKS = True
    UNDER_WAY = 8384
    CHIP = 'w25q80'     # that size, as QEMU knows them
    SPI1 = 2            # its first chip among the drives

    def __init__(self, folder, name, program=None, holds=b''):
        self.flash = folder / f'{name}.flash'
        self.flash.write_bytes(holds.ljust(self.SIZE, b'\xff'))
        super().__init__(folder, name, '-M', f'ast1030-evb,spi-model={self.CHIP}', '-kernel', self.built(program, 'elf'),
                         '-drive', f'if=mtd,index={self.SPI1},format=raw,file={self.flash}')

    def files(self):
        return self.flash.read_bytes()


BOARDS = {board.NAME: board for board in (Microbit, Ast1030Evb)}
