# SPDX-License-Identifier: MIT
"""USB: the daemon's libusb link against devices of umockdev's, each joined to a real agent (tests/tools/usbbed.c)."""
import itertools
import os
import pathlib
import random
import re
import shutil
import subprocess
import threading

import pytest

from bed import BIN, Bed, wait_for

WRAPPER = '/usr/bin/umockdev-wrapper'
OURS, FOREIGN = 'ff4650', 'ff0000'


class UsbBed(Bed):
    """A bed whose daemon sees the USB devices that are plugged in here, and no others."""

    def __init__(self):
        super().__init__()
        self.sockets, self.mark = {}, 0
        # umockdev's library comes before ASan's, which is right here: what ASan
        # wraps is what umockdev answers.
        self.env = {'ASAN_OPTIONS': 'verify_asan_link_order=0:' + os.environ.get('ASAN_OPTIONS', '')}
        self.usb = self.process('usbbed', WRAPPER, BIN / 'usbbed', stdin=subprocess.PIPE,
                                env={'ASAN_OPTIONS': self.env['ASAN_OPTIONS'] + ':detect_leaks=0'})  # of GLib's
        self.env['UMOCKDEV_DIR'] = self.said('UMOCKDEV_DIR=')

    def said(self, words):
        """What followed the words, said since the last command."""
        def ready():
            lines = self.usb.output()[self.mark:].splitlines(keepends=True)
            return next((line for line in lines if line.startswith(words) and line.endswith('\n')), None)
        return wait_for(f'usbbed saying {words!r}', ready)[len(words):].strip()

    def do(self, *words):
        self.mark = len(self.usb.output())
        self.usb.child.stdin.write((' '.join(map(str, words)) + '\n').encode())
        self.usb.child.stdin.flush()
        self.said('done')

    def plug(self, name, triple=OURS, ids='1209:0001'):
        if name not in self.sockets:
            self.sockets[name] = self.dir / f'{name}.unix'
            self.agent(name, listen='unix', blocks=256)
        self.do('plug', name, ids, triple, self.sockets[name])

    def ioctls(self, name):
        self.do('ioctls', name)
        return int(self.said(f'ioctls {name} '))

    def serve(self, *links, program=(BIN / 'flashportd',)):
        self.links = list(links)
        self.start_daemon(program=(WRAPPER, *program), env=self.env)


@pytest.fixture
def usb():
    with UsbBed() as made:
        yield made


def test_a_device_that_is_plugged_in_is_found_and_serves(usb):
    usb.plug('dev')
    usb.serve('usb:')
    usb.online('dev')
    assert usb.device('dev')['link']['name'] == 'usb:1209:0001:dev'
    assert usb.device('dev')['link']['kind'] == 'usb'
    # One byte, a packet, a transfer, and those beside: packets and transfers end anywhere.
    for size in (1, 511, 512, 513, 16384, 300_000):
        usb.there_and_back('dev', size)


def test_what_fills_its_last_packet_is_followed_by_one_of_no_bytes(usb):
    """Without it a device that reads several packets at once waits for more, as this one does. Of uploads that grow byte
    by byte past a packet some fill it."""
    usb.plug('dev')
    usb.serve('usb:')
    usb.online('dev')
    content = random.Random(0).randbytes(520)   # of which nothing is packed
    for size in range(280, 520):
        assert usb.http.put(usb.api('/devices/dev/fs/flash/f'), data=content[:size]).status_code in (201, 204)
    usb.do('full', 'dev')
    assert int(usb.said('full dev ')) > 0


def test_a_halted_endpoint_is_told_and_cleared(usb):
    usb.plug('dev')
    usb.serve('usb:')
    usb.online('dev')
    usb.do('stall', 'dev')
    told = wait_for('the halt', lambda: 'the device halted its endpoint' in usb.daemon.output())
    assert told
    usb.online('dev')   # no one else clears it
    usb.there_and_back('dev')


def test_a_device_that_takes_nothing_is_given_up_and_opened_anew(usb):
    """Its NAKs hold the transfers up; they are called back, and it is asked again once it listens."""
    usb.plug('dev')
    usb.serve('usb:')
    usb.online('dev')
    usb.do('deaf', 'dev')
    answer = usb.http.get(usb.api('/devices/dev/fs/flash/'), timeout=60)
    assert answer.status_code in (200, 503, 504), answer.text
    assert 'reason=the device fell silent' in usb.daemon.output()
    usb.online('dev')
    usb.there_and_back('dev')


def test_one_that_comes_later_and_its_twin_each_become_a_link(usb):
    usb.serve('usb:')
    usb.plug('first')
    usb.online('first')
    usb.plug('second')
    usb.online('second')
    written = {name: usb.there_and_back(name) for name in ('first', 'second')}
    for name, content in written.items():
        assert usb.http.get(usb.api(f'/devices/{name}/fs/flash/f')).content == content


def test_a_cable_pulled_in_mid_transfer_and_put_back(usb):
    usb.plug('dev')
    usb.serve('usb:')
    usb.online('dev')
    kept = usb.there_and_back('dev')
    usb.do('unplug-after', 'dev', 100_000)
    answers, fresh = [], os.urandom(400_000)
    url = usb.api('/devices/dev/fs/flash/f')
    upload = threading.Thread(target=lambda: answers.append(usb.http.put(url, data=fresh).status_code))
    upload.start()
    usb.said('unplugged dev')
    told = usb.offline('dev')
    assert 'unplugged' in told['reason'] or 'no such USB device is plugged in' in told['reason'], told
    usb.plug('dev')
    usb.online('dev')
    upload.join(60)
    # The upload waited for the cable, or says that it did not get through; the file is the one or the other.
    read = usb.http.get(url).content
    assert read == (fresh if answers[0] in (201, 204) else kept) or (answers[0] == 504 and read in (fresh, kept)), answers
    usb.there_and_back('dev')


def test_a_link_that_waits_opens_when_its_device_comes(usb):
    """Named by its serial number, and again after each replug."""
    usb.serve('usb:1209:0001:dev')
    wait_for('absent', lambda: usb.link('usb:1209:0001:dev')['state'] == 'absent')
    assert 'no such USB device' in usb.link('usb:1209:0001:dev')['reason']
    usb.plug('other')  # which nobody asked for
    for _ in range(3):
        usb.plug('dev')
        usb.online('dev')
        usb.do('unplug', 'dev')
        usb.offline('dev')
    assert usb.http.get(usb.api('/devices/other')).status_code == 404
    assert usb.ioctls('other') == 0
    assert 'two devices' not in usb.daemon.output()     # it is its own successor


def test_a_device_that_is_named_and_found_is_one_link(usb):
    usb.plug('dev')
    usb.plug('other')
    usb.serve('usb:', 'usb:1209:0001:dev', 'usb:1209:0001')
    usb.online('dev')
    usb.online('other')
    assert len(usb.http.get(usb.api('/devices')).json()['links']) == 2
    assert 'error ' not in usb.daemon.output()


def test_of_two_devices_with_one_serial_number_the_first_is_used(usb):
    """Which that is is told when the second comes, and when both are there already."""
    usb.plug('dev')
    usb.serve('usb:')
    usb.online('dev')
    usb.do('plug', 'dev~twin', '1209:0001', OURS, usb.sockets['dev'])
    wait_for('the twin', lambda: 'two devices have the serial number dev' in usb.daemon.output())
    assert 'used=001/001 left_alone=001/002' in usb.daemon.output()
    usb.there_and_back('dev')
    assert usb.ioctls('dev~twin') == 0
    usb.daemon.stop()
    usb.restart_daemon()
    usb.online('dev')
    assert re.search(r'used=001/(00[12]) left_alone=001/(?!\1)00[12]', usb.daemon.output()[usb.seen:])
    assert 'error ' not in usb.daemon.output()


def test_strangers_are_never_opened(usb):
    """Of our VID:PID with an interface of another kind, and of our kind under another VID:PID."""
    usb.plug('stranger', triple=FOREIGN)
    usb.plug('cousin', ids='1209:0002')
    usb.serve('usb:')
    usb.plug('dev')
    usb.online('dev')
    usb.there_and_back('dev')
    assert usb.ioctls('stranger') == 0 and usb.ioctls('cousin') == 0 and usb.ioctls('dev') > 0
    links = [link['name'] for link in usb.http.get(usb.api('/devices')).json()['links']]
    assert links == ['usb:1209:0001:dev']


def test_without_the_right_to_open_a_device_the_udev_rule_is_named(usb):
    """Then it is a link like any other; with the right it opens."""
    usb.plug('dev')
    bed = pathlib.Path(usb.env['UMOCKDEV_DIR'])
    node = bed / 'dev/bus/usb/001/001'
    node.chmod(0)
    program = [shutil.copy(BIN / 'flashportd', usb.dir)]
    if os.geteuid() == 0:  # who may open anything
        program = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', *program]
        for path in (usb.dir, bed, *bed.rglob('*')):
            if path != node and not path.is_symlink():
                path.chmod(0o777)
    usb.serve('usb:', program=program)
    seen = wait_for('the refusal', lambda: (at := usb.link('usb:1209:0001:dev')) and at['state'] == 'backoff' and at)
    assert 'no right to open /dev/bus/usb/001/001' in seen['reason'] and '70-flashport.rules' in seen['reason']
    node.chmod(0o666)
    usb.online('dev')


def test_a_product_of_its_own_ids_is_named_by_them(usb):
    usb.plug('cousin', ids='1209:0A02')
    usb.serve('usb:1209:0a02')
    usb.online('cousin')
    usb.there_and_back('cousin')


def test_the_daemon_ends_in_mid_transfer_and_starts_again(usb):
    usb.plug('dev')
    usb.serve('usb:')
    usb.online('dev')
    for end in (usb.daemon.kill, usb.daemon.stop):
        under_way = threading.Event()

        def endless():
            for i in itertools.count():
                if i == 100:    # more than the daemon takes ahead of the device
                    under_way.set()
                yield b'x' * 4096
        upload = threading.Thread(target=lambda: pytest.raises(Exception, usb.http.put, usb.api('/devices/dev/fs/flash/x'), data=endless()))
        upload.start()
        assert under_way.wait(60)
        end()
        upload.join(60)
        usb.restart_daemon()
        usb.online('dev')
    usb.there_and_back('dev')
