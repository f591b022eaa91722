# SPDX-License-Identifier: MIT
"""Puts proto/limits.h's macros into the header that nanopb's generator made, so
that a firmware chooses by its compiler's flags how much a message may hold.

usage: bounds.py flashport.pb.h
"""
import re
import sys

# What the figures of flashport.options become, by message and field; a figure
# of something else stays.
FIGURES = [
    (r'\w+', r'path|from|to', 512, 'FP_MESSAGE_PATH_MAX'),
    (r'Entry', r'name', 255, 'FP_MESSAGE_NAME_MAX'),
    (r'\w+', r'reason|detail', 96, 'FP_MESSAGE_TEXT_MAX'),
    (r'HelloReply', r'filesystems', 96, 'FP_MESSAGE_TEXT_MAX'),
    (r'Event', r'text', 128, '(FP_MESSAGE_TEXT_MAX + 32)'),
    (r'ChunkDigestReply', r'digests', 512, '(16 * FP_MESSAGE_DIGESTS)'),
    (r'ChunkDigestReply', r'status', 32, 'FP_MESSAGE_DIGESTS'),
    (r'ChunkChangedReply', r'runs', 32, 'FP_MESSAGE_RUNS'),
    (r'HelloReply', r'rates', 12, 'FP_MESSAGE_ANY(12)'),
    (r'HelloReply', r'nonce', 16, 'FP_MESSAGE_ANY(16)'),
    (r'HelloReply|AuthRequest', r'proof', 32, 'FP_MESSAGE_ANY(32)'),
    (r'StatsReply', r'counters', 8, 'FP_MESSAGE_ANY(8)'),
    (r'StorageReply', r'regions', 8, 'FP_MESSAGE_ANY(8)'),
    (r'AttrGetReply|AttrSetRequest', r'value', 256, 'FP_MESSAGE_ANY(256)'),
]
# Fields that a firmware may do without, by message.
EXTRAS = {
    'Envelope': ['stats', 'stats_reply', 'attr_get', 'attr_get_reply', 'attr_set', 'check', 'check_reply', 'auth', 'set_rate'],
    'HelloReply': ['nonce', 'proof', 'rates'],
    'StorageReply': ['regions'],
    'PutOpenRequest': ['commit'],
}


def bounded(header):
    for message, field, figure, macro in FIGURES:
        bytes_of = rf'(PB_BYTES_ARRAY_T\(){figure}(\) fp_(?:{message})_(?:{field})_t;)'
        array_of = rf'(typedef struct _fp_(?:{message}) {{\n(?:    .*\n)*?    \w+ (?:{field})\[){figure}(\];)'
        header, count = re.subn(f'{bytes_of}|{array_of}', lambda m: f'{m[1] or m[3]}{macro}{m[2] or m[4]}', header)
        if not count:
            sys.exit(f'bounds.py: no field {message}.{field} of {figure}')
    return header


def optional(header):
    for message, fields in EXTRAS.items():
        at = header.index(f'#define fp_{message}_FIELDLIST(')
        end = header.index('#define', at + 1)
        rows = header[at:end]
        for field in fields:
            if message == 'Envelope':
                row, left_out = rf'\(body,{field},body\.{field}\),\s+\d+', r'FP_MESSAGE_EXTRA(\1)'
            else:
                row, left_out = rf'\b{field},\s+(\d+)', rf'FP_MESSAGE_EXTRA_FIELD(a, {field}, \2, \1)'
            rows, count = re.subn(rf'^(X\(a, [^(]*?{row}\))', left_out, rows, flags=re.MULTILINE)
            if count != 1:
                sys.exit(f'bounds.py: no field {message}.{field}')
        header = header[:at] + rows + header[end:]
    return header


def main(path):
    with open(path) as file:
        header = file.read()
    if '"proto/limits.h"' in header:
        return
    header = optional(bounded(header)).replace('#include <pb.h>\n', '#include <pb.h>\n\n#include "proto/limits.h"\n', 1)
    with open(path, 'w') as file:
        file.write(header)


if __name__ == '__main__':
    main(sys.argv[1])
