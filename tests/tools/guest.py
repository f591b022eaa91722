# SPDX-License-Identifier: MIT
"""A Linux machine in QEMU with a kernel of its own, and USB whose two ends are both in it.

Its three USB buses (dummy_hcd) have a device controller at their other end,
dummy_udc.0 to .2: a gadget there is a device here. `run()` gives it a command,
in the root of these sources. It sees this machine's files, read-only, so
programs that are built here run there; 8484 of it is `port` here. QEMU computes every instruction (a KVM is not
counted on), so a program starts in seconds there.

What it boots comes of tests/tools/guest_files.sh.
"""
import os
import pathlib
import shlex
import socket

from bed import BIN, Bed, Process, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
QEMU = '/usr/bin/qemu-system-x86_64'
ADDRESS = '10.0.2.15:8484'
FILES = os.environ.get('FP_GUEST', '')
PROGRAMS = BIN.resolve().relative_to(ROOT) if BIN.resolve().is_relative_to(ROOT) else BIN   # as the guest finds them
SLOW = 120      # seconds that are few for a guest whose every instruction is computed


class Guest(Process):
    def __init__(self, folder, files):
        self.shell, self.port = folder / 'guest.shell', free_port()
        super().__init__(folder / 'guest.log', QEMU, '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', 2, '-m', 1024,
                         '-nodefaults', '-no-reboot', '-display', 'none',
                         '-kernel', pathlib.Path(files) / 'vmlinuz', '-initrd', pathlib.Path(files) / 'initrd',
                         '-append', 'console=ttyS0 quiet panic=-1 mitigations=off',
                         '-serial', 'stdio', '-serial', f'unix:{self.shell},server=on,wait=on',
                         '-nic', f'user,model=virtio-net-pci,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-{ADDRESS}',
                         '-device', 'virtio-rng-pci',
                         *shared('host', '/'), *shared('sources', ROOT))

    def start(self):
        super().start()
        self.line = wait_for(self.shell, self.connect).makefile('rw', errors='replace')
        assert self.answer()[0] == 0    # it is up, and has not looked at its line before
        return self

    def connect(self):
        line = socket.socket(socket.AF_UNIX)
        try:
            line.connect(str(self.shell))
        except OSError:
            return None
        line.settimeout(900)    # a busy machine leaves a guest little
        return line

    def ask(self, *words):
        """The exit code of a command, and what it said. Its words are one shell line, or the words of a program."""
        self.line.write((words[0] if len(words) == 1 else shlex.join(map(str, words))) + '\n')
        self.line.flush()
        return self.answer()

    def answer(self):
        said = []
        while True:
            text = self.line.readline()
            assert text, 'the guest is gone: ' + self.output()[-2000:]
            if text.startswith('=== '):
                return int(text[4:]), ''.join(said)
            said.append(text)

    def run(self, *words):
        code, said = self.ask(*words)
        assert code == 0, f'{words}: {code}\n{said}\n{self.output()[-1000:]}'
        return said.strip()

    def spawn(self, log, *words):
        """A program that goes on; what it says is in /tmp/LOG. Its process's number."""
        return int(self.run(f'setsid {shlex.join(map(str, words))} >>/tmp/{log} 2>&1 </dev/null & echo $!'))


def shared(tag, path):
    return '-virtfs', f'local,path={path},mount_tag={tag},security_model=none,readonly=on,multidevs=remap'


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as free:
        return free.getsockname()[1]


class GuestBed(Bed):
    """A bed whose daemon and devices run in a guest, which is `guest` and `run`."""

    def __init__(self):
        super().__init__()
        self.guest = Guest(self.dir, FILES)
        self.processes.append(self.guest)
        try:
            self.guest.start()
        except BaseException:   # who made no bed does not close one
            self.guest.kill()
            raise
        self.run = self.guest.run
        self.url = f'http://127.0.0.1:{self.guest.port}'
        self.pids = {}

    def serve(self, *links):
        self.pids['daemon'] = self.guest.spawn('daemon.log', PROGRAMS / 'flashportd', '--data', '/tmp/store', '--listen', ADDRESS,
                                               *[part for link in links for part in ('--link', link)])
        wait_for('the daemon', lambda: 'serving' in self.run('cat /tmp/daemon.log'), SLOW)
        self.http.headers['Authorization'] = 'Bearer ' + self.run('cat /tmp/store/admin.token')

    def gadget(self, name, *where, blocks=512):
        """A device that is this program; its flash is a file that stays."""
        words = (PROGRAMS / 'flashport-gadget', '--id', name, '--storage', f'flash0=/tmp/{name}.img,block=4096,count={blocks}',
                 '--mount', '/flash=flash0:littlefs', '--format', 'littlefs', *where)
        self.pids[name] = self.guest.spawn(f'{name}.log', *words)
        wait_for(f'{name} serving', lambda: 'serves on' in self.run(f'cat /tmp/{name}.log'), SLOW)

    def end(self, name, signal='TERM'):
        pid = self.pids.pop(name)
        self.run(f'kill -{signal} {pid}')
        wait_for(f'the end of {name}', lambda: self.guest.ask(f'kill -0 {pid}')[0] != 0, SLOW)
        self.run(f'rm /tmp/{name}.log')

    def after_transfers(self, bus, count, then):
        """Does `then` as soon as so many more transfers went to or came from the device on that bus."""
        at = f'/sys/bus/usb/devices/{bus}-1/urbnum'
        self.run(f'(end=$(($(cat {at}) + {count})); while [ $(cat {at}) -lt $end ]; do :; done; {then}) >/dev/null 2>&1 &')

    def online(self, name, seconds=SLOW):
        super().online(name, seconds)

    def offline(self, name, seconds=SLOW):
        return super().offline(name, seconds)
