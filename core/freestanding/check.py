#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds the core to mem* and str*: no object may need anything else from
outside the core but what the compiler itself puts in.

Usage: check.py OBJECT...
"""
import re
import subprocess
import sys

ALLOWED = re.compile(
    r'mem(cpy|move|set|cmp|chr)|str(len|n?cmp|r?chr|c?spn)'
    r'|__(u?(div|mod|divmod)|ashl|ashr|lshr|mul)di[34]'  # 64 bits on 32
    r'|_GLOBAL_OFFSET_TABLE_|__x86\.get_pc_thunk\.\w+|__stack_chk_fail\w*')


def symbols(objects):
    """(defined, {undefined: object}) by nm."""
    defined, undefined = set(), {}
    for path in objects:
        out = subprocess.run(['nm', path], check=True, capture_output=True,
                             text=True).stdout
        for line in out.splitlines():
            kind, name = line.split()[-2:]
            if kind in 'Uw':
                undefined[name] = path
            else:
                defined.add(name)
    return defined, undefined


def main():
    defined, undefined = symbols(sys.argv[1:])
    foreign = {n: p for n, p in undefined.items()
               if n not in defined and not ALLOWED.fullmatch(n)}
    for name, path in sorted(foreign.items()):
        print(f'{path}: needs {name}, which no freestanding target has')
    if not foreign and len(sys.argv) > 1:
        print(f'freestanding: {len(sys.argv) - 1} objects need mem* and str* only')
    return 1 if foreign or len(sys.argv) < 2 else 0


if __name__ == '__main__':
    sys.exit(main())
