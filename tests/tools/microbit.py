# SPDX-License-Identifier: MIT
"""A micro:bit that is a process: the firmware of device-agent/ports/microbit in QEMU.

Its UART is a unix socket, at which a daemon finds the agent. QEMU does not keep
flash: `cut()` is a power cut, which stops the machine between two instructions,
takes what its flash holds and throws the rest away; `restart()` starts anew with
that flash. A reset, which also is what a firmware does that faults, stops the
machine, since QEMU would fill its flash again as it was at the start.
"""
import json
import pathlib
import socket

from bed import Process, wait_for

QEMU = '/usr/bin/qemu-system-arm'
FLASH_SIZE = 256 * 1024
FILES_SIZE = 144 * 1024     # at its end, as docs/microbit.md has it


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


class Microbit(Process):
    def __init__(self, folder, name, firmware):
        self.uart, self.monitor = folder / f'{name}.unix', folder / f'{name}.qmp'
        self.flash = folder / f'{name}.flash'
        self.flash.write_bytes(pathlib.Path(firmware).read_bytes().ljust(FLASH_SIZE, b'\xff'))
        super().__init__(folder / f'{name}.log', QEMU, '-M', 'microbit', '-nographic', '-monitor', 'none', '-no-reboot', '-no-shutdown',
                         '-serial', f'unix:{self.uart},server=on,wait=off', '-qmp', f'unix:{self.monitor},server=on,wait=off',
                         '-device', f'loader,file={self.flash},addr=0,force-raw=on')

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
        """What flash holds now; the machine stands still from here on."""
        self.qmp.run('stop')
        self.qmp.run('memsave', val=0, size=FLASH_SIZE, filename=str(self.flash), **{'cpu-index': 0})

    def cut(self):
        self.save()
        self.kill()

    def restart(self):
        for path in (self.uart, self.monitor):
            path.unlink(missing_ok=True)
        self.start()

    def files(self):
        """The part of flash that a filesystem lies on, as last saved."""
        return self.flash.read_bytes()[-FILES_SIZE:]
