# SPDX-License-Identifier: MIT
"""What an image holds, by those who did not write it: the checkers beside this
file, for FAT mtools and fsck.fat.

    held(image, manifest)   {path as stored: SHA-256} of its files, and the errors that the checker finds

`manifest` is that of the reference image which the image once was, or of the
same form: its geometry and options say how to look at it.
"""
import hashlib
import json
import os
import pathlib
import subprocess
import sys

TOOLS = pathlib.Path(__file__).resolve().parent


def checker(name, image, *options):
    done = subprocess.run([sys.executable, TOOLS / f'{name}_check.py', image, '--json', *map(str, options)],
                          capture_output=True, timeout=120)
    assert done.stdout, done.stderr.decode()
    report = json.loads(done.stdout)
    assert report['unreadable'] is None, report
    errors = [f['text'] for f in report['findings'] if f['level'] == 'error']
    return {f['path']: f.get('sha256') for f in report['files'] if f.get('type', 'file') == 'file'}, errors


def littlefs(image, m):
    g = m['geometry']
    return checker('littlefs', image, '--block-size', g['block_size'], '--prog-size', g.get('prog_size', 16))


def spiffs(image, m):
    g, o = m['geometry'], m['options']
    return checker('spiffs', image, '--block-size', g['log_block_size'], '--page-size', g['log_page_size'], '--name-len', o['obj_name_len'],
                   '--meta-len', o['obj_meta_len'], '--id-bytes', o['id_bytes'], '--magic', int(o['use_magic']),
                   '--magic-length', int(o['use_magic_length']), '--aligned', int(o['aligned_object_index_tables']))


def minifs(image, m):
    return checker('minifs', image, '--block-size', m['geometry']['block_size'])


def bonsai(image, m):
    return checker('bonsai', image, '--start', m['geometry']['partition_start'], '--reference')


def fat(image, m):
    """mtools' word on the files, fsck.fat's on the rest; a volume inside a card is taken out of it for that."""
    env = {**os.environ, 'MTOOLS_SKIP_CHECK': '1', 'LC_ALL': 'C.UTF-8'}
    at = m.get('offset', 0)
    listed = subprocess.run(['mdir', '-/', '-a', '-b', '-i', f'{image}@@{at}', '::'], capture_output=True, env=env, timeout=60)
    names = [n.removeprefix('::') for n in listed.stdout.decode().splitlines() if not n.endswith('/')]
    found = {}
    for name in names:
        out = subprocess.run(['mtype', '-i', f'{image}@@{at}', f'::{name}'], capture_output=True, check=True, env=env, timeout=60)
        found[name] = hashlib.sha256(out.stdout).hexdigest()
    alone = pathlib.Path(f'{image}.alone')
    with open(image, 'rb') as whole:
        whole.seek(at)
        alone.write_bytes(whole.read(m.get('size', -1)))
    done = subprocess.run(['fsck.fat', '-n', alone], capture_output=True, timeout=60)
    alone.unlink()
    return found, [] if done.returncode == 0 else [done.stdout.decode()]


def held(image, manifest):
    return {'littlefs': littlefs, 'spiffs': spiffs, 'minifs': minifs, 'bonsai': bonsai, 'fat': fat}[manifest['fs']](image, manifest)
