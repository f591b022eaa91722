#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds the picture of who may include whom (docs/README.md, "The house").

Every quoted include names its path from the root; its first folders say which
layer it crosses into. Prints each include that the picture does not draw and
exits 1; with --self-test it proves on made-up files that it notices.
"""
import pathlib
import re
import sys

# layer -> layers it may include, besides itself
MAY = {
    'core': [],
    'core/host': ['core'],
    'proto': [],
    'device-agent': ['core', 'proto'],
    'device-agent/ports': ['core', 'core/host', 'proto', 'device-agent'],
    'daemon/link': ['core', 'daemon'],
    'daemon/device': ['core', 'proto', 'daemon', 'daemon/link'],
    'daemon/store': ['core', 'daemon'],
    'daemon/jobs': ['core', 'core/host', 'daemon', 'daemon/device', 'daemon/store'],
    'daemon/http': ['core', 'core/host', 'daemon', 'daemon/device', 'daemon/store', 'daemon/jobs'],
    # main.c and what every part of the daemon shares: log, config, ids
    'daemon': ['core', 'core/host'],
    'daemon/main.c': ['core', 'core/host', 'daemon', 'daemon/link', 'daemon/device', 'daemon/store', 'daemon/jobs',
                      'daemon/http'],
    'cli': ['core', 'core/host'],
}
# A driver knows bdev.h, fs.h and the digests, and nothing of its neighbours.
DRIVER_MAY = ['core/config.h', 'core/error.h', 'core/bytes.h', 'core/bdev/bdev.h', 'core/fs/fs.h', 'core/digest/']
# proto's generated header stands for itself.
GENERATED = ('flashport.pb.h', 'proto/flashport.pb.h')
# What newcomers copy out of the tree finds its own header beside itself.
COPIED = 'device-agent/ports/template/', 'port.h'
# A firmware's choices, which this tree has none of.
CHOICES = 'flashport_config.h'
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def layer_of(path):
    """The longest key of MAY that `path` lies in, or None."""
    fits = [k for k in MAY if path == k or path.startswith(k + '/')]
    return max(fits, key=len) if fits else None


def violations(path, text):
    layer = layer_of(path)
    for name in INCLUDE.findall(text):
        if name in GENERATED and layer in ('proto', 'device-agent', 'daemon/device'):
            continue
        if name == CHOICES or path.startswith(COPIED[0]) and name == COPIED[1]:
            continue
        target = layer_of(name)
        if '/' not in name or target is None:
            yield f'{path}: #include "{name}" does not name a path from the root'
        elif path.startswith('core/fs/') and path.count('/') > 2:
            own = '/'.join(path.split('/')[:3]) + '/'
            if not name.startswith(tuple(DRIVER_MAY + [own])):
                yield f'{path}: #include "{name}": a driver knows only the block device, fs.h and digests'
        elif target != layer and target not in MAY[layer]:
            yield f'{path}: #include "{name}": {layer} may not know {target}'


def self_test():
    bad = [('core/bdev/x.c', 'proto/link.h'), ('proto/x.c', 'core/error.h'), ('cli/x.c', 'daemon/store/store.h'),
           ('daemon/link/x.c', 'daemon/device/device.h'), ('daemon/store/x.c', 'daemon/http/http.h'),
           ('core/fs/littlefs/x.c', 'core/vfs/vfs.h'), ('core/vfs/x.c', 'core/host/file.h'),
           ('core/bdev/x.c', 'bdev.h')]
    for path, name in bad:
        assert list(violations(path, f'#include "{name}"\n')), f'{path} -> {name} went unnoticed'
    assert not list(violations('daemon/device/x.c', '#include "proto/link.h"\n#include <stdio.h>\n'))


def main():
    self_test()
    root = pathlib.Path(__file__).resolve().parent.parent.parent
    found, count = [], 0
    for folder in ('core', 'proto', 'device-agent', 'daemon', 'cli'):
        for path in sorted((root / folder).rglob('*.[ch]')):
            count += 1
            found += violations(path.relative_to(root).as_posix(), path.read_text())
    print('\n'.join(found) if found else f'layers: {count} files keep the picture')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
