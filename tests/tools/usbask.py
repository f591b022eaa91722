# SPDX-License-Identifier: MIT
"""usbask.py NODE TYPE,REQUEST,VALUE,INDEX,SIZE...: what a USB device answers to control requests.

A line of hex digits for each, or the error. NODE is as in /dev/bus/usb/001/002, the numbers are hex. Source: USB 2.0,
9.3; linux/usbdevice_fs.h.
"""
import ctypes
import fcntl
import os
import sys

CONTROL = 0xc0185500    # USBDEVFS_CONTROL: _IOWR('U', 0, struct usbdevfs_ctrltransfer)


class Transfer(ctypes.Structure):
    _fields_ = [('type', ctypes.c_uint8), ('request', ctypes.c_uint8), ('value', ctypes.c_uint16), ('index', ctypes.c_uint16),
                ('size', ctypes.c_uint16), ('timeout_ms', ctypes.c_uint32), ('data', ctypes.c_void_p)]


def ask(node, kind, request, value, index, size):
    data = ctypes.create_string_buffer(size)
    transfer = Transfer(kind, request, value, index, size, 10000, ctypes.addressof(data))
    try:
        came = fcntl.ioctl(node, CONTROL, transfer)
    except OSError as error:
        return error.strerror
    return data.raw[:came].hex()


for asked in sys.argv[2:]:
    print(ask(os.open(sys.argv[1], os.O_RDWR), *(int(part, 16) for part in asked.split(','))))
