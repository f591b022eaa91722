# SPDX-License-Identifier: MIT
"""USB with a real kernel between: flashport-gadget on FunctionFS at one end, flashportd's libusb link at the other.

Both run in a guest (tests/tools/guest.py), of which `dummy_udc.N` is a controller and bus N + 1 what it is plugged into.
"""
import contextlib
import os
import threading

import pytest

from bed import wait_for
from guest import PROGRAMS, SLOW, GuestBed

pytestmark = pytest.mark.gadget

GADGETS = '/sys/kernel/config/usb_gadget'
CABLE = '/sys/bus/usb/devices/1-0:1.0/usb1-port1/disable'   # pulled: 1


@pytest.fixture(scope='module')
def usb():
    with GuestBed() as made:
        made.serve('usb:')
        yield made


@pytest.fixture
def dev(usb):
    """The device `dev` on the first bus, and nothing else."""
    usb.gadget('dev', '--udc', 'dummy_udc.0')
    usb.online('dev')
    yield usb
    for name in list(usb.pids):
        if name != 'daemon':
            usb.end(name)
    usb.offline('dev')


def test_the_kernel_reads_what_the_device_is(dev):
    def told(name):
        return dev.run(f'cat /sys/bus/usb/devices/1-1{name}')
    assert [told(f'/{name}') for name in ('idVendor', 'idProduct', 'serial', 'speed', 'bNumInterfaces')] == \
        ['1209', '0001', 'dev', '480', '1']
    assert [told(f':1.0/{name}') for name in ('bInterfaceClass', 'bInterfaceSubClass', 'bInterfaceProtocol', 'bNumEndpoints')] == \
        ['ff', '46', '50', '02']
    # High speed: bulk packets of 512.
    assert [told(f':1.0/{ep}/wMaxPacketSize') for ep in ('ep_81', 'ep_02')] == ['0200', '0200']


def test_windows_is_asked_to_bind_winusb(dev):
    """Microsoft OS 1.0 Descriptors Specification: the string 0xee, extended compatible ids, extended properties."""
    node = '/dev/bus/usb/001/%03d' % int(dev.run('cat /sys/bus/usb/devices/1-1/devnum'))
    said = dev.run('/usr/bin/python3', 'tests/tools/usbask.py', node, '80,6,3ee,0,12', 'c0,46,0,4,28', 'c1,46,0,5,8e').split('\n')
    assert bytes.fromhex(said[0]) == b'\x12\x03' + 'MSFT100'.encode('utf-16-le') + b'\x46\x00'
    assert bytes.fromhex(said[1]) == bytes.fromhex('28000000 0001 0400 01') + bytes(7) + b'\x00\x01' + b'WINUSB'.ljust(16, b'\x00') + bytes(6)
    name = 'DeviceInterfaceGUID\0'.encode('utf-16-le')
    value = '{b7e10ec7-880a-48bf-a1e0-e9ea094922f9}\0'.encode('utf-16-le')
    assert bytes.fromhex(said[2]) == bytes.fromhex('8e000000 0001 0500 0100 84000000 01000000 2800') + name + bytes.fromhex('4e000000') + value


def test_files_go_there_and_back(dev):
    assert dev.device('dev')['link']['name'] == 'usb:1209:0001:dev'
    for size in (1, 511, 512, 513, 16384, 500_000):
        dev.there_and_back('dev', size)


def test_packets_and_transfers_end_anywhere(dev):
    for size in range(400, 520, 4):
        dev.there_and_back('dev', size)


def test_two_at_once(dev):
    dev.gadget('twin', '--udc', 'dummy_udc.1')
    dev.online('twin')
    written = {}
    both = [threading.Thread(target=lambda name=name: written.update({name: dev.there_and_back(name)})) for name in ('dev', 'twin')]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert len(written) == 2
    for name, content in written.items():
        assert dev.http.get(dev.api(f'/devices/{name}/fs/flash/f')).content == content
    dev.end('twin')
    dev.offline('twin')


def gone(usb):
    """The kernel takes it away soon after its transfers have failed."""
    wait_for('the device to be gone', lambda: usb.guest.ask('ls /sys/bus/usb/devices/1-1')[0] != 0)


@pytest.mark.parametrize('how', ['cable', 'power'])
def test_unplugged_in_mid_transfer_and_replugged(dev, how):
    """The cable, or the power of the device, of which the kernel keeps what it had set up."""
    kept, fresh, answers = dev.there_and_back('dev'), os.urandom(400_000), []
    url = dev.api('/devices/dev/fs/flash/f')
    if how == 'cable':
        dev.after_transfers(1, 40, f'echo 1 >{CABLE}')
    else:
        dev.after_transfers(1, 40, f'kill -9 {dev.pids["dev"]}')
    upload = threading.Thread(target=lambda: answers.append(dev.http.put(url, data=fresh).status_code))
    upload.start()
    dev.offline('dev')
    assert not answers      # it was in mid-transfer
    gone(dev)
    if how == 'cable':
        dev.run(f'echo 0 >{CABLE}')
    else:
        dev.run('rm /tmp/dev.log')
        dev.gadget('dev', '--udc', 'dummy_udc.0')
    dev.online('dev')
    upload.join(SLOW)
    read = dev.http.get(url).content
    assert read == (fresh if answers[0] in (201, 204) else kept) or (answers[0] == 504 and read in (fresh, kept)), answers
    dev.there_and_back('dev')


@contextlib.contextmanager
def foreign_gadget(usb, name, functions):
    """Of our VID:PID, with functions that are not ours; where it lies in configfs."""
    at = f'{GADGETS}/{name}'
    usb.run(f'mkdir -p {at}/strings/0x409 {at}/configs/c.1; cd {at}; echo 0x1209 >idVendor; echo 0x0001 >idProduct; '
            f'echo {name} >strings/0x409/serialnumber; for f in {functions}; do mkdir functions/$f; ln -s functions/$f configs/c.1/; done')
    try:
        yield at
    finally:
        usb.run(f'cd {at}; echo >UDC; for f in {functions}; do rm configs/c.1/$f; done; umount /tmp/ffs 2>/dev/null; '
                f'for f in {functions}; do rmdir functions/$f; done; rmdir configs/c.1/strings/* configs/c.1 strings/0x409; cd /; rmdir {at}')


def serial_port_works(usb, text):
    """Bytes from the port that the kernel's cdc_acm has, to the gadget's end of it."""
    usb.run('stty -F /dev/ttyACM0 raw -echo; stty -F /dev/ttyGS0 raw -echo')
    usb.run(f'(grep -m1 {text} /dev/ttyGS0 >/tmp/serial) >/dev/null 2>&1 &')

    def came():     # what is written before anyone reads at the other end is lost
        usb.run(f'echo {text} >/dev/ttyACM0')
        return usb.run('cat /tmp/serial') == text
    wait_for('the serial port', came, SLOW)


def test_a_stranger_of_our_ids_is_never_opened(dev):
    with foreign_gadget(dev, 'stranger', 'acm.0') as at:
        dev.run(f'echo dummy_udc.1 >{at}/UDC')
        wait_for('its serial port', lambda: dev.guest.ask('test -c /dev/ttyACM0')[0] == 0, SLOW)
        dev.gadget('later', '--udc', 'dummy_udc.2')     # which the daemon sees after it
        dev.online('later')
        node = '/dev/bus/usb/002/%03d' % int(dev.run('cat /sys/bus/usb/devices/2-1/devnum'))
        opened = dev.run(f'ls -l /proc/{dev.pids["daemon"]}/fd')
        assert '/dev/bus/usb/001/' in opened and '/dev/bus/usb/003/' in opened and node not in opened
        assert sorted(link['name'] for link in dev.http.get(dev.api('/devices')).json()['links']
                      if link['state'] == 'online') == ['usb:1209:0001:dev', 'usb:1209:0001:later']
        serial_port_works(dev, 'hello')
    dev.end('later')


def test_a_foreign_interface_of_a_device_of_ours_is_left_alone(dev):
    """A gadget that others set up, a serial port and our function: each end takes its own."""
    with foreign_gadget(dev, 'both', 'acm.0 ffs.part') as at:
        dev.run('mkdir -p /tmp/ffs; mount -t functionfs part /tmp/ffs')
        dev.gadget('both', '--ffs', '/tmp/ffs')
        dev.run(f'echo dummy_udc.1 >{at}/UDC')
        dev.online('both')
        serial_port_works(dev, 'before')
        dev.there_and_back('both')
        serial_port_works(dev, 'after')
        assert dev.run('basename $(readlink /sys/bus/usb/devices/2-1:1.0/driver)') == 'cdc_acm'
        refused = dev.http.post(dev.api('/devices/both/reboot'))
        assert refused.status_code == 501, refused.text     # it would take the serial port along
        serial_port_works(dev, 'still')
        dev.run(f'echo >{at}/UDC')
        dev.end('both')


def test_what_stands_in_the_way_is_named(dev):
    words = [str(PROGRAMS / 'flashport-gadget'), '--id', 'x', '--storage', 'a=/tmp/x.img,block=4096,count=64']
    for where, why in ((['--udc', 'dummy_udc.0'], 'another flashport-gadget serves on it'),
                       (['--udc', 'dummy_udc.7'], 'there is none of that name; there are '),
                       ([], '--udc NAME is missing: there are ')):
        code, said = dev.guest.ask(*words, *where)
        assert code == 2 and why in said, said
    dev.there_and_back('dev')       # which nothing of this has touched
    with foreign_gadget(dev, 'stranger', 'acm.0') as at:
        dev.run(f'echo dummy_udc.1 >{at}/UDC')
        code, said = dev.guest.ask(*words, '--udc', 'dummy_udc.1')
        assert code == 2 and 'another gadget is bound to it' in said
    assert dev.run(f'ls {GADGETS}') == 'flashport.dummy_udc.0'


def test_its_end_takes_down_what_it_set_up(usb):
    usb.gadget('dev', '--udc', 'dummy_udc.0')
    usb.online('dev')
    usb.end('dev')
    assert usb.run(f'ls {GADGETS}') == ''
    assert 'functionfs' not in usb.run('cat /proc/mounts')
    gone(usb)


def test_at_full_speed(usb):
    """Packets of 64 bytes. Last: the buses are others afterwards."""
    module = usb.run('find /run/modules -name dummy_hcd.ko')
    usb.run(f'rmmod dummy_hcd; insmod {module} is_high_speed=0')
    usb.gadget('slow')      # on the only controller
    usb.online('slow')
    assert usb.run('cat $(dirname $(grep -lx slow /sys/bus/usb/devices/*/serial))/speed') == '12'
    for size in (1, 63, 64, 65, 100_000):
        usb.there_and_back('slow', size)
    usb.end('slow')
