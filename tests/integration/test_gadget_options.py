# SPDX-License-Identifier: MIT
"""flashport-gadget where there is no USB device controller: what it tells a kernel, and what it says of wrong options."""
import subprocess

import pytest

from bed import BIN, Process, wait_for

DEVICE = ['--id', 'board-7', '--mount', '/flash=flash0:littlefs', '--format', 'littlefs', '--ram']

# linux/usb/functionfs.h: descriptors, version 2, of full speed, high speed and OS; 3, 3 and 2 of them.
HEAD = '03000000 bd000000 0b000000 03000000 03000000 02000000'
# USB 2.0, tables 9-12 and 9-13: interface ff.46.50 with two endpoints; bulk in 0x81, bulk out 0x02, of 64 and 512 bytes.
FULL = '09 04 00 00 02 ff 46 50 00  07 05 81 02 4000 00  07 05 02 02 4000 00'
HIGH = '09 04 00 00 02 ff 46 50 00  07 05 81 02 0002 00  07 05 02 02 0002 00'
# usb_os_desc_header of extended compatible ids (4), one: interface 0, a reserved 1, WINUSB.
COMPATIBLE = '00 23000000 0100 0400 01 00' + '00 01' + b'WINUSB'.ljust(16, b'\0').hex() + '000000000000'
# And of extended properties (5), one: size, a text (1), its name, its value, both with a NUL that counts.
PROPERTY = '00 54000000 0100 0500 0100' + '49000000 01000000' + '1400' + b'DeviceInterfaceGUID\0'.hex() + \
    '27000000' + b'{b7e10ec7-880a-48bf-a1e0-e9ea094922f9}\0'.hex()
STRINGS = '02000000 10000000 00000000 00000000'


def test_what_the_kernel_is_told(tmp_path):
    """A folder of files that are kept is no FunctionFS, but it keeps what is written to it."""
    for name in ('ep0', 'ep1', 'ep2'):
        (tmp_path / name).touch()
    gadget = Process(tmp_path / 'log', 'flashport-gadget', *DEVICE, '--storage', f'flash0={tmp_path}/img,block=4096,count=64',
                     '--ffs', tmp_path).start()
    wait_for('serving', lambda: 'serves on' in gadget.output())
    gadget.stop()
    assert (tmp_path / 'ep0').read_bytes() == bytes.fromhex(HEAD + FULL + HIGH + COMPATIBLE + PROPERTY + STRINGS)


@pytest.mark.parametrize('options, why', [
    (['--usb-ids', '12:0001'], '--usb-ids 12:0001: give both with four digits, as 1209:0001'),
    (['--usb-ids', '1209-0001'], 'give both with four digits'),
    (['--udc', '../udc'], '--udc ../udc: '),
    (['--udc', 'no-such.0'], '--udc no-such.0: '),
    (['--udc', 'controller-of-25-bytes.00'], '--udc controller-of-25-bytes.00: it has 25 bytes; at most 24 '),
    (['--ffs', '/tmp/' + 123 * 'x'], 'it has 128 bytes; a path has at most 127'),
    (['--ffs', '/nonexistent'], '/nonexistent/ep0: No such file or directory'),
    (['--ffs', '/tmp', '--udc', 'x'], 'give the one or the other'),
    (['--frame', '16384'], '--frame: 16384 is not from 640 bytes, which the largest message takes, to the 4096 that a frame may have'),
    (['--frame', '639'], '--frame: 639 is not from 640 bytes'),
    (['--listen', 'pty:x'], "unrecognized option '--listen'"),
])
def test_wrong_options_are_named(tmp_path, options, why):
    done = subprocess.run([str(BIN / 'flashport-gadget'), *DEVICE, '--storage', f'flash0={tmp_path}/img,block=4096,count=64', *options],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and why in done.stderr and 'flashport-gadget --help' in done.stderr, done.stderr


def test_help_is_its_own():
    said = subprocess.run([str(BIN / 'flashport-gadget'), '--help'], capture_output=True, text=True, check=True).stdout
    assert said.startswith('usage: flashport-gadget ') and '--udc NAME' in said and '--storage' in said and '--listen' not in said
