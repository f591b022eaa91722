#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""embed.py OUT.c FILE...: the files as C arrays, for daemon/http/webfile.h.

The word VERSION in index.html becomes a digest of all files, so that an asset
URL changes when, and only when, something did.
"""
import hashlib
import pathlib
import sys

TYPES = {
    '.html': 'text/html; charset=utf-8',
    '.js': 'text/javascript; charset=utf-8',
    '.css': 'text/css; charset=utf-8',
    '.json': 'application/json',
    '.svg': 'image/svg+xml',
}


def main(out, *names):
    files = [(pathlib.Path(n).name, pathlib.Path(n).suffix, pathlib.Path(n).read_bytes()) for n in names]
    version = hashlib.sha256(b''.join(data for _, _, data in files)).hexdigest()[:12]
    text = ['/* SPDX-License-Identifier: MIT */', '/* Made by web/embed.py. */', '#include "daemon/http/webfile.h"', '']
    rows = []
    for i, (name, suffix, data) in enumerate(files):
        if suffix == '.html':
            data = data.replace(b'VERSION', version.encode())
        text.append(f'static const unsigned char file{i}[] = {{')
        text += [' '.join(f'{b},' for b in data[at:at + 20]) for at in range(0, len(data), 20)]
        text.append('0 };')
        etag = hashlib.sha256(data).hexdigest()[:32]
        rows.append(f'    {{ "/{name}", "{TYPES[suffix]}", "\\"{etag}\\"", file{i}, sizeof file{i} - 1 }},')
    text += ['', 'const struct fpd_web_file fpd_web_files[] = {', *rows, '    { 0, 0, 0, 0, 0 },', '};', '']
    pathlib.Path(out).write_text('\n'.join(text))


main(*sys.argv[1:])
