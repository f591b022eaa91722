# SPDX-License-Identifier: MIT
"""What the suites of the image tools share: the tool as a user types it, what is here to be put in, and volumes that
somebody else made (the reference implementations, for FAT mkfs.fat and mcopy), to be read by others too (held.py).
"""
import gzip
import hashlib
import json
import signal
import subprocess

import pytest

from test_image_manifests import BIN, STATED, TESTS


def flashport(*args, ok=(0,), **options):
    done = subprocess.run([BIN / 'flashport', 'image', *map(str, args)], capture_output=True, timeout=120, **options)
    assert done.returncode in ok, f'{args}: exit {done.returncode}\n{done.stdout.decode()}{done.stderr.decode()}'
    return done


def content(name, size):
    return hashlib.shake_128(name.encode()).digest(size)


def sha(data):
    return hashlib.sha256(data).hexdigest()


def heed_signals():
    """In the child: what is started in the background ignores Ctrl-C, what a person started does not."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


# --- the volumes ------------------------------------------------------------

DIRS, TREES = 'has directories', 'has names with slashes, at least'
CAN = {'littlefs': {DIRS, TREES}, 'fat': {DIRS, TREES}, 'spiffs': {TREES}, 'bonsai': {TREES}, 'minifs': set()}


def shown(fs, stored):
    """{path as users type it: SHA-256}: in SPIFFS a name may lack its slash; in Bonsai, a tree of files, what has others
    below it is shown as a directory."""
    files = {'/' + k.removeprefix('/root' if fs == 'bonsai' else '').lstrip('/'): v for k, v in stored.items()}
    return {k: v for k, v in files.items() if fs != 'bonsai' or k != '/' and not any(o.startswith(k.rstrip('/') + '/') and o != k for o in files)}


def fat(bits):
    def make(path):
        with open(path, 'wb') as f:
            f.truncate({12: 1 << 20, 16: 16 << 20, 32: 40 << 20}[bits])
        subprocess.run(['mkfs.fat', '-F', str(bits), *(['-s', '1'] if bits == 32 else []), path], check=True, capture_output=True)
        subprocess.run(['mcopy', '-i', path, '-', '::/first.txt'], input=b'first', check=True)
        return {'fs': 'fat'}
    return make


def reference(name):
    def make(path):
        base = TESTS / 'images' / name
        path.write_bytes(gzip.decompress(base.with_suffix('.img.gz').read_bytes()))
        return json.loads(base.with_suffix('.json').read_text())
    return make


VOLUMES = {
    **{f'fat{bits}': fat(bits) for bits in (12, 16, 32)},
    **{name.replace('/', '-'): reference(name) for name in (
        'littlefs/basic_b4096_p256_v21', 'littlefs/basic_b512_p16_v20', 'littlefs/basic_b600_p4_v21',
        'spiffs/espidf_b4096_p256_basic', 'spiffs/esp8266_b8192_p256_basic', 'minifs/b4096_basic', 'minifs/b1024_basic', 'bonsai/bonsai_a_tree')},
}


@pytest.fixture(params=VOLUMES)
def volume(request, tmp_path):
    """(image, manifest, options that lead to the volume)"""
    image = tmp_path / 'flash.img'
    manifest = VOLUMES[request.param](image)
    return image, manifest, STATED.get(manifest['fs'], lambda m: [])(manifest)


# --- what is here --------------------------------------------------------------

HERE = {'a.txt': content('a', 9), 'b.bin': content('b', 700), 'tree/one': content('one', 5), 'tree/empty': b'',
        'tree/sub/two': content('two', 300), 'odd name': b'odd', 'later/a.txt': content('later', 40)}
STDIN = content('stdin', 333)
a, b = HERE['a.txt'], HERE['b.bin']
tree = {k[4:]: v for k, v in HERE.items() if k.startswith('tree/')}


@pytest.fixture
def sources(tmp_path, monkeypatch):
    here = tmp_path / 'here'
    for name, data in HERE.items():
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_bytes(data)
    with open(here / 'huge', 'wb') as f:
        f.truncate(64 << 20)
    monkeypatch.chdir(here)
    return here
