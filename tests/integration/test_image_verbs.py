# SPDX-License-Identifier: MIT
"""The verbs of `flashport image` that write, on each filesystem, as a user types them.

TYPED is the table: a line, the exit code, and what it does to the files. Each
line runs on a volume that somebody else made (the reference implementation, for
FAT mkfs.fat and mcopy), and what the image holds afterwards is read by others
too (tests/tools/held.py). A line that fails must leave every byte as it was.
"""
import os
import shlex
import subprocess

import pytest

from images import CAN, DIRS, HERE, STDIN, TREES, a, b, flashport, reference, sha, shown, sources, tree, volume  # noqa: F401
from held import held
from test_image_manifests import ALL, refused, volumes

pytestmark = pytest.mark.images
# A put runs the program four times and a checker: ordinarily one reference image in four goes through it.
EVERY = int(os.environ.get('FP_IMAGES_EVERY', 4))


def adds(**paths):
    """FILE of HERE, by the path it takes; __ stands for /, _ for a dot"""
    return lambda files: {**files, **{'/' + k.replace('__', '/').replace('_', '.'): v for k, v in paths.items()}}


def drops(*paths):
    return lambda files: {k: v for k, v in files.items() if k not in paths and not k.startswith(tuple(p + '/' for p in paths))}


def moves(old, new):
    return lambda files: {new + k[len(old):] if k == old or k.startswith(old + '/') else k: v for k, v in files.items()}


def nothing(files):
    return files


TYPED = [  # what it needs, what is typed (I: the image), its exit code, what it does
    (set(), 'put I a.txt new', 0, adds(new=a)),
    (set(), 'put I b.bin /new', 0, adds(new=b)),                                        # replaces, as cp does
    (set(), 'put I later/a.txt b.bin /', 0, lambda f: {**f, '/a.txt': HERE['later/a.txt'], '/b.bin': b}),
    (set(), 'put I a.txt / -n', 0, nothing),                                            # it is there
    (set(), 'put --no-clobber I a.txt fresh', 0, adds(fresh=a)),
    (set(), 'put I - piped', 0, adds(piped=STDIN)),
    (set(), 'put I - /', 2, nothing),                                                   # under which name?
    (set(), 'put I missing x', 4, nothing),
    (set(), 'put I a.txt missing x/', 4, nothing),
    (set(), 'put I huge x', 7, nothing),
    (set(), 'put I a.txt huge /', 7, nothing),                                          # all or nothing
    (set(), 'mv I fresh moved', 0, moves('/fresh', '/moved')),
    (set(), 'mv I moved new', 0, lambda f: moves('/moved', '/new')(drops('/new')(f))),  # replaces
    (set(), 'mv -n I new piped', 0, nothing),
    (set(), 'mv I nope x', 4, nothing),
    (set(), 'mv I new new', 1, nothing),
    (set(), 'mv I new /', 1, nothing),                                                  # it is there already
    (set(), 'rm I nope', 4, nothing),
    (set(), 'rm I piped nope', 4, nothing),                                             # all or nothing
    (set(), 'rm -f I nope piped', 0, drops('/piped')),
    (set(), 'rm I a.txt b.bin', 0, drops('/a.txt', '/b.bin')),
    (set(), 'rm I /', 2, nothing),
    (set(), 'rm -r I /', 2, nothing),
    (set(), 'put I', 2, nothing),
    (set(), 'rm I', 2, nothing),
    (set(), 'mv I new', 2, nothing),
    (set(), 'rm --raw I new', 2, nothing),
    ({TREES}, 'put I tree /', 0, lambda f: {**f, **{'/tree' + k: v for k, v in tree.items()}}),
    ({TREES}, 'put -r I tree other', 0, lambda f: {**f, **{'/other' + k: v for k, v in tree.items()}}),
    ({TREES}, 'put I tree/. other', 0, nothing),                                        # what is in it, once more
    ({TREES}, 'put I a.txt "odd name" tree/sub', 0, lambda f: {**f, '/tree/sub/a.txt': a, '/tree/sub/odd name': b'odd'}),
    ({TREES}, 'rm I tree', 2, nothing),                                                 # -r is missing
    ({TREES}, 'mv I other third', 0, moves('/other', '/third')),
    ({TREES}, 'mv I third tree', 0, moves('/third', '/tree/third')),
    ({TREES}, 'mv I tree tree/sub', 1, nothing),                                        # into itself
    ({TREES}, 'mv I new tree/sub/', 0, moves('/new', '/tree/sub/new')),
    ({TREES}, 'rm -r I tree/third', 0, drops('/tree/third')),
    ({TREES}, 'rm -r I tree', 0, drops('/tree')),
    ({DIRS}, 'mkdir I made', 0, nothing),
    ({DIRS}, 'mkdir I made', 6, nothing),
    ({DIRS}, 'mkdir I no/way', 4, nothing),
    ({DIRS}, 'mkdir -p I made made/deep/er', 0, nothing),
    ({DIRS}, 'put I a.txt made/deep/er', 0, adds(made__deep__er__a_txt=a)),
    ({DIRS}, 'put I a.txt none/x', 4, nothing),
    ({DIRS}, 'put I a.txt b.bin none', 4, nothing),
    ({DIRS}, 'put I a.txt none/', 4, nothing),
    ({DIRS}, 'put I tree made/deep/er/a.txt', 1, nothing),                              # a directory over a file
    ({DIRS}, 'mkdir -p I made/deep/er/a.txt/x', 1, nothing),
    ({DIRS}, 'rm -r I made', 0, drops('/made')),
]


def run_typed(image, typed, code, stated):
    words = [str(image) if w == 'I' else w for w in shlex.split(typed)]
    done = flashport(*words, *stated, ok=(code,), input=STDIN)
    assert bool(done.stderr) == (code != 0), done.stderr.decode()
    return done


def test_each_verb_on_each_filesystem(volume, sources):
    image, manifest, stated = volume
    fs = manifest['fs']
    files = shown(fs, held(image, manifest)[0])
    for needs, typed, code, effect in TYPED:
        if needs - CAN[fs]:
            continue
        before = image.read_bytes()
        run_typed(image, typed, code, stated)
        files = {k: sha(v) if isinstance(v, bytes) else v for k, v in effect(files).items()}
        found, errors = held(image, manifest)
        assert shown(fs, found) == files, typed
        assert not errors, (typed, errors)
        assert code == 0 or image.read_bytes() == before, f'{typed}: failed, yet the image has changed'
    assert sorted(p.name for p in image.parent.iterdir()) == ['flash.img', 'here']


def test_times_are_kept(volume, sources):
    image, manifest, stated = volume
    if DIRS not in CAN[manifest['fs']]:
        pytest.skip('the format keeps no times')
    when = 1_700_000_000  # 2023-11-14 22:13:20 UTC
    os.utime('a.txt', ns=(when * 10**9, when * 10**9 + 500))
    flashport('put', image, 'a.txt', 'dated', *stated)
    flashport('extract', image, 'out', 'dated', *stated)
    assert int(os.stat('out/dated').st_mtime) == when
    if manifest['fs'] == 'fat':
        listed = subprocess.run(['mdir', '-i', image, '::/dated'], capture_output=True, check=True).stdout
        assert b'2023-11-14  22:13' in listed


# --- every reference image ----------------------------------------------------

@pytest.mark.parametrize('name', map(str, ALL[::EVERY]))
def test_a_file_goes_into_every_reference_image_and_out(name, tmp_path):
    image, new = tmp_path / 'flash.img', tmp_path / 'new'
    manifest = reference(name)(image)
    new.write_bytes(b'new content\n')
    for n, (stated, _) in enumerate(volumes(manifest)):
        place = manifest['volumes'][max(n - 1, 0)] if 'volumes' in manifest else {}
        before = image.read_bytes()
        done = flashport('put', image, new, '/new.txt', *stated, ok=(0, 3, 7))
        if name.startswith('minifs/') and name.endswith('_empty'):
            assert done.returncode == 3 and b'does not show its layout: give --block-size' in done.stderr
            stated = ['--block-size', manifest['geometry']['block_size']]
            done = flashport('put', image, new, '/new.txt', *stated, ok=(0, 3, 7))
        if done.returncode:
            assert image.read_bytes() == before and done.stderr
            no_root = name == 'bonsai/bonsai_a_pl_7'  # nothing that a file could be put into
            assert done.returncode == 7 and 'full' in name or refused(manifest) or no_root, done.stderr
            continue
        after = image.read_bytes()
        image.write_bytes(before)
        old, errors = held(image, {**manifest, **place})
        image.write_bytes(after)
        found, now = held(image, {**manifest, **place})
        assert shown(manifest['fs'], found) == {**shown(manifest['fs'], old), '/new.txt': sha(b'new content\n')}
        assert not now or errors, now
        flashport('rm', image, 'new.txt', *stated)
        assert held(image, {**manifest, **place})[0] == old
