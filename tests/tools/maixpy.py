# SPDX-License-Identifier: MIT
"""A device as MaixPy lays it out: 16 MiB of flash with a firmware at 0, a model
at 0x300000 and SPIFFS at 0xD00000, and an MBR card with two FAT32 partitions.

    python3 maixpy.py DIR FLASHPORT    makes DIR/maix.img and DIR/card.img where
                                       they are missing, the SPIFFS by the
                                       command line's image create
"""
import os
import pathlib
import random
import subprocess
import sys
import tempfile

import card

MIB = 1 << 20
FIRMWARE, MODEL, SPIFFS, SIZE = 0, 0x300000, 0xd00000, 16 * MIB
FIRMWARE_SIZE, MODEL_SIZE = 1536 * 1024, 4 * MIB
CARD = [40, 36]  # MiB a partition


def flash():
    """What is flashed at a factory; the rest is erased."""
    image = bytearray(b'\xff' * SIZE)
    random.seed(2026)
    image[FIRMWARE:FIRMWARE + FIRMWARE_SIZE] = random.randbytes(FIRMWARE_SIZE)
    image[MODEL:MODEL + MODEL_SIZE] = b'KMDL' + random.randbytes(MODEL_SIZE - 4)
    return bytes(image)


def spiffs(flashport):
    """A SPIFFS with a program in it."""
    with tempfile.TemporaryDirectory() as folder:
        files = pathlib.Path(folder) / 'files'
        (files / 'lib').mkdir(parents=True)
        (files / 'boot.py').write_text("import sensor, lcd\nprint('booted from SPIFFS')\n")
        (files / 'lib' / 'pinout.py').write_text('LED_R, LED_G, LED_B = 13, 12, 14\n')
        image = pathlib.Path(folder) / 'image'
        subprocess.run([flashport, 'image', 'create', image, files, '--fs', 'spiffs', '--block-size', '4096', '--block-count',
                        str((SIZE - SPIFFS) // 4096), '--page-size', '256', '--opt', 'aligned=1'], check=True, capture_output=True)
        return image.read_bytes()


def make(folder, flashport=None):
    """Both files; without `flashport` where SPIFFS belongs is erased. Returns the card's."""
    folder = pathlib.Path(folder)
    if not (folder / 'maix.img').exists():
        image = flash()
        (folder / 'maix.img').write_bytes(image[:SPIFFS] + spiffs(flashport) if flashport else image)
    path = folder / 'card.img'
    if path.exists() or (folder / 'drawer.img').exists():
        return path
    part = folder / 'card.img.part'
    first, second = card.make(part, CARD)
    card.mtool('mmd', part, first, '::/examples')
    card.mtool('mcopy', part, first, '-', '::/examples/face detection.py', input=b'import KPU as kpu\n')
    card.mtool('mcopy', part, second, '-', '::/recorded on the bench.txt', input=b'a note\n')
    os.rename(part, path)
    return path


def arguments(folder):
    """Of flashport-agent, without --id and --listen."""
    return ['--storage', f'flash0={folder}/maix.img,block=4096,prog=256',
            '--region', 'firmware=flash0@0+3M', '--region', 'model=flash0@3M+10M', '--region', 'fs=flash0@13M+3M',
            '--storage', f'sd0={folder}/card.img,kind=card,removable',
            '--mount', '/flash=fs:spiffs,page_size=256,aligned=1', '--mount', '/sd=sd0', '--mount', '/raw=flash0:raw',
            '--format', 'spiffs']


if __name__ == '__main__':
    make(sys.argv[1], sys.argv[2])
    print(*arguments(sys.argv[1]), sep='\n')
