# SPDX-License-Identifier: MIT
"""Boards that are processes: the firmware of device-agent/ports in QEMU.

A board's UART is a unix socket, at which a daemon finds the agent. `cut()` is a
power cut, which stops the machine between two instructions and throws away all
but what its flash holds; `restart()` starts anew with that flash. A reset, which
also is what a firmware does that faults, stops the machine, so that it is seen.
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
        self.lines = self.socket.makefile('rw')
        self.lines.readline()   # its greeting
        self.run('qmp_capabilities')

    def run(self, command, **arguments):
        self.lines.write(json.dumps({'execute': command, 'arguments': arguments}) + '\n')
        self.lines.flush()
        while True:
            reply = json.loads(self.lines.readline())
            if 'event' not in reply:
                assert 'return' in reply, reply
                return reply['return']


class Board(Process):
    """Subclasses say what the firmware is (NAME, ID and the figures of its flash) and what QEMU makes of it."""

    def __init__(self, folder, name, *machine):
        self.uart, self.monitor = folder / f'{name}.unix', folder / f'{name}.qmp'
        super().__init__(folder / f'{name}.log', QEMU, '-nographic', '-monitor', 'none', '-no-reboot', '-no-shutdown',
                         '-serial', f'unix:{self.uart},server=on,wait=off', '-qmp', f'unix:{self.monitor},server=on,wait=off', *machine)

    @classmethod
    def built(cls, program, suffix):
        """By ./dev build NAME; the agent, or what else is built beside it."""
        return BUILDS / cls.NAME / 'bin' / f'{program or cls.NAME}.{suffix}'

    def start(self):
        super().start()
        self.qmp = wait_for(self.monitor, self.connect)
        return self

    def connect(self):
        try:
            return Qmp(self.monitor)
        except OSError:
            return None

    def is_running(self):
        return self.qmp.run('query-status')['running']

    def save(self):
        """files() is what flash holds now; the machine stands still from here on."""
        self.qmp.run('stop')    # a drive has it all when that is answered

    def cut(self):
        self.save()
        self.kill()

    def restart(self):
        for path in (self.uart, self.monitor):
            path.unlink(missing_ok=True)
        self.start()


class Microbit(Board):
    """QEMU does not keep its flash, so it is taken out of it and loaded again at the start."""
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
        super().__init__(folder, name, '-M', 'microbit', '-device', f'loader,file={self.flash},addr=0,force-raw=on')

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
