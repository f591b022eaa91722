# SPDX-License-Identifier: MIT
"""A Linux machine in QEMU with a kernel of its own, and USB whose two ends are both in it.

Its three USB buses (dummy_hcd) have a device controller at their other end,
dummy_udc.0 to .2: a gadget there is a device here. `run()` gives it a command,
in the root of these sources. It sees this machine's files, read-only, so
programs that are built here run there; 8484 of it is `port` here. QEMU computes every instruction (a KVM is not
counted on), so a program starts in seconds there.

What it boots comes of tests/tools/guest_files.sh.
"""
import pathlib
import shlex
import socket

from bed import Process, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
QEMU = '/usr/bin/qemu-system-x86_64'
ADDRESS = '10.0.2.15:8484'


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
