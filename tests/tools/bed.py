# SPDX-License-Identifier: MIT
"""A bed of real processes: agents, serial lines with a rate, and a daemon.

Used by the tests that kill things and by the benches. Binaries come from
$FP_BIN. Every process can be killed and started again as it was; what the
sanitizers of a process said is looked at when it ends.
"""
import hashlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time

import requests

import spec

BIN = pathlib.Path(os.environ.get('FP_BIN', pathlib.Path(__file__).resolve().parents[2] / 'build' / 'debug' / 'bin'))
DEVICE = pathlib.Path(__file__).resolve().parents[1] / 'device'
SANITIZER = re.compile(r'ERROR: \w+Sanitizer|runtime error:|Assertion .* failed|WARNING: ThreadSanitizer')


def has_driver(fs):
    """Is the filesystem in this build? Its agent says when it is not, before it finds that it has nothing to listen on."""
    said = subprocess.run([str(BIN / 'flashport-agent'), '--id', 'x', '--storage', 'a=/nonexistent/card,kind=card,removable',
                           '--mount', f'/x=a:{fs}', '--listen', 'nothing'], capture_output=True, text=True).stderr
    return 'no driver' not in said


def wait_for(what, ready, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = ready()
        if answer:
            return answer
        time.sleep(0.02)
    raise TimeoutError(f'{what} never came')


class Process:
    def __init__(self, log, program, *args, stdin=subprocess.DEVNULL, env=None):
        self.log, self.args, self.stdin = log, [str(BIN / program), *map(str, args)], stdin
        self.env = {**os.environ, **env} if env else None
        self.child = self.end = None    # end: the link to its pty, if it makes one

    def start(self):
        with open(self.log, 'ab') as log:
            self.child = subprocess.Popen(self.args, stdout=log, stderr=log, stdin=self.stdin, env=self.env)
        return self

    def output(self):
        return pathlib.Path(self.log).read_text(errors='replace')

    def kill(self):
        """As a power cut or kill -9 does."""
        # Its pty's name goes to whoever asks next, even another bed: nobody
        # shall find that one behind our link.
        if self.end:
            self.end.unlink(missing_ok=True)
        self.child.kill()
        self.child.wait()

    def restart(self):
        self.start()
        if self.end:
            wait_for(self.end, lambda: os.path.lexists(self.end))

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(30)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
                raise AssertionError(f'{self.args[0]} did not end when told to\n{self.output()[-2000:]}')
        found = SANITIZER.search(self.output())
        assert not found, self.output()[found.start():][:4000]
        assert self.child.returncode in (0, -signal.SIGTERM, -signal.SIGKILL), \
            f'{self.args[0]}: {self.child.returncode}\n{self.output()[-2000:]}'


class Bed:
    """A folder, its processes, and the HTTP of its daemon."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix='fp-')
        self.dir = pathlib.Path(self.folder.name)
        self.processes, self.links, self.daemon, self.http = [], [], None, requests.Session()
        self.http.hooks['response'].append(spec.check)

    def process(self, name, program, *args, **options):
        made = Process(self.dir / f'{name}.log', program, *args, **options).start()
        self.processes.append(made)
        return made

    def agent(self, name, blocks=64, block=4096, prog=256, timing='none', image=None, listen='pty', extra=(), **options):
        """An agent whose flash is a file, formatted where it holds no filesystem."""
        file, where = image or self.dir / f'{name}.img', self.place(name, listen)
        made = self.process(name, 'flashport-agent', '--id', name, '--storage', f'flash0={file},block={block},count={blocks},prog={prog}',
                            '--mount', '/flash=flash0:littlefs', '--format', 'littlefs', '--timing', timing,
                            '--listen', f'{listen}:{where}', *extra, **options)
        return self.listens(made, listen, where)

    def place(self, name, listen):
        """Where a device of that name shall listen."""
        if listen != 'tcp':
            return self.dir / f'{name}.{listen}'
        with socket.create_server(('127.0.0.1', 0)) as free:
            return f'127.0.0.1:{free.getsockname()[1]}'

    def listens(self, device, listen, where):
        """The device is there for the daemon; a pty's link is made by whoever puts a line or nothing between."""
        if listen != 'tcp':  # to which the daemon connects as soon as it can
            wait_for(where, lambda: os.path.lexists(where))
        if listen == 'pty':
            device.end = where
        else:
            self.links.append(f'{listen}:{where}')
        return device

    def python_device(self, name, listen='pty', blocks=64):
        """The device of tests/device, its flash a file as an agent's is."""
        file, where = self.dir / f'{name}.img', self.place(name, listen)
        made = self.process(name, '/usr/bin/python3', DEVICE, '--id', name, '--flash', file, '--size', blocks * 4096,
                            '--listen', f'{listen}:{where}')
        return self.listens(made, listen, where)

    def line(self, name, baud, *options, listen='pty'):
        """A serial line with a real rate to where agent `name` listens; the daemon's end becomes a link.

        A pty's line breaks for good when the agent dies, a unix one waits for the next (with --keep). That of a board's
        uart, which is a unix socket too, is a serial port for the daemon."""
        near, far = self.dir / f'{name}.line', self.dir / f'{name}.{"pty" if listen == "pty" else "unix"}'
        ends = {'pty': (f'tty:{far}', f'pty:{near}'), 'unix': (f'unix:{far}', f'unix-listen:{near}'),
                'uart': (f'unix:{far}', f'pty:{near}')}[listen]
        made = self.process(f'{name}-line', 'linksim', '--baud', baud, '--quiet', *options, *ends)
        wait_for(near, lambda: os.path.lexists(near))
        if listen != 'unix':
            made.end = near
            self.links.append(f'serial:{near}@{baud or 921600}')
        else:
            self.links[self.links.index(f'unix:{far}')] = f'unix:{near}'
        return made

    def start_daemon(self, *options, program=('flashportd',), **how):
        links = [part for link in self.links for part in ('--link', link)]
        self.daemon = self.process('daemon', *program, '--data', self.dir / 'store', '--listen', '127.0.0.1:0',
                                   '--socket', self.dir / 'd.sock', *links, *options, **how)
        self.find_daemon()
        return self.daemon

    def find_daemon(self):
        """The address and token that the daemon's last start printed."""
        before = getattr(self, 'seen', 0)
        text = wait_for('the daemon', lambda: re.search(r'(http://\S+?)/?\?token=(\S+)|serving: url=(\S+)',
                                                        self.daemon.output()[before:]))
        self.url = text.group(1) or text.group(3).rstrip('/')
        token = (self.dir / 'store' / 'admin.token').read_text().strip()
        self.http.headers['Authorization'] = f'Bearer {token}'

    def restart_daemon(self):
        self.seen = len(self.daemon.output())
        self.daemon.start()
        self.find_daemon()

    def api(self, path):
        return f'{self.url}/api/v1{path}'

    def online(self, name, seconds=30):
        def ready():
            try:
                reply = self.http.get(self.api(f'/devices/{name}'), timeout=5)
            except requests.RequestException:
                return False
            return reply.status_code == 200 and reply.json()['state'] in ('online', 'busy')
        wait_for(f'{name} online', ready, seconds)

    def device(self, name):
        return self.http.get(self.api(f'/devices/{name}')).json()

    def link(self, spec):
        return next((link for link in self.http.get(self.api('/devices')).json()['links'] if link['name'] == spec), None)

    def offline(self, name, seconds=30):
        """What is said of a device once it is gone."""
        return wait_for(f'{name} offline', lambda: (seen := self.device(name))['state'] not in ('online', 'busy') and seen, seconds)

    def there_and_back(self, name, size=300_000):
        """A file goes to the device, and comes back as it was."""
        content, url = os.urandom(size), self.api(f'/devices/{name}/fs/flash/f')
        assert self.http.put(url, data=content).status_code in (201, 204)
        assert hashlib.sha256(self.http.get(url).content).digest() == hashlib.sha256(content).digest()
        return content

    def job(self, reply, seconds=120):
        """Waits for the job that a request began; its last description."""
        assert reply.status_code == 202, reply.text

        def ended():
            job = self.http.get(self.url + reply.headers['Location']).json()
            return job if job['state'] in ('done', 'failed', 'cancelled') else None
        return wait_for('the job', ended, seconds)

    def backup(self, device, storage='flash0'):
        return self.job(self.http.post(self.api('/snapshots'), json={'device': device, 'storage': storage}))

    def close(self):
        try:
            if self.daemon:
                self.daemon.stop()
            for made in reversed(self.processes):
                made.stop()
        finally:
            for made in self.processes:
                if made.child.poll() is None:
                    made.kill()
            self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
