# SPDX-License-Identifier: MIT
"""A device in Python, written from proto/PROTOCOL.md alone.

    python3 tests/device --id NAME --flash FILE [--size BYTES]
                         --listen unix:PATH|tcp:HOST:PORT|pty:PATH
"""
import argparse

from device import Device, serve_for_ever
from flash import Flash
from wire import Wire

parser = argparse.ArgumentParser(description='a flashport device with one volume, /flash')
parser.add_argument('--id', required=True)
parser.add_argument('--listen', required=True, help='unix:PATH, tcp:HOST:PORT or pty:PATH')
parser.add_argument('--flash', required=True, help='the file that is its flash; made where it is missing')
parser.add_argument('--size', type=int, default=1 << 20, help='bytes of it')
chosen = parser.parse_args()
device = Device(Wire(chosen.listen), chosen.id, Flash(chosen.flash, chosen.size))
serve_for_ever(device)
