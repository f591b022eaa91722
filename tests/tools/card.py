# SPDX-License-Identifier: MIT
"""SD cards as files, made by mkfs.fat and filled by mtools: what a card out of
a camera or a computer looks like."""
import struct
import subprocess

SECTOR = 512
FAT32, EXFAT, GPT = 0x0c, 0x07, 0xee
FIRST = 2048  # sectors in front of the first partition, as everyone leaves


def table(partitions):
    """The sector of an MBR for [(type, first sector, sectors)]."""
    sector = bytearray(SECTOR)
    for i, (kind, first, count) in enumerate(partitions):
        struct.pack_into('<B3sB3sII', sector, 446 + 16 * i, 0, b'\xfe\xff\xff', kind, b'\xfe\xff\xff', first, count)
    sector[510:] = b'\x55\xaa'
    return bytes(sector)


def mkfs(path, sector, sectors, label):
    subprocess.run(['mkfs.fat', '-F', '32', '-s', '1', '-n', label, '--offset', str(sector), path, str(sectors // 2)],
                   check=True, capture_output=True)


def make(path, mebibytes, kinds=None):
    """A card with a FAT32 partition of so many MiB each (35 is about the
    least); `kinds` are other types for the table. Returns their offsets."""
    partitions, first = [], FIRST
    for i, size in enumerate(mebibytes):
        partitions.append((kinds[i] if kinds else FAT32, first, size * 2048))
        first += size * 2048
    with open(path, 'wb') as card:
        card.write(table(partitions))
        card.truncate(first * SECTOR)
    for i, (kind, start, count) in enumerate(partitions):
        if kind == FAT32:
            mkfs(path, start, count, f'CARD{i + 1}')
    return [start * SECTOR for _, start, _ in partitions]


def mtool(name, path, offset, *args, **options):
    """mtool('mcopy', card, offset, source, '::/name')"""
    return subprocess.run([name, '-i', f'{path}@@{offset}', *args], check=True, capture_output=True, **options)


def read(path, offset, name):
    return mtool('mtype', path, offset, f'::/{name}').stdout


def is_clean(path, offset, size, scratch):
    """fsck.fat's word on one partition, its dirty mark included."""
    with open(path, 'rb') as card, open(scratch, 'wb') as alone:
        card.seek(offset)
        alone.write(card.read(size))
    return subprocess.run(['fsck.fat', '-n', scratch], capture_output=True).returncode == 0
