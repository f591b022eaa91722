# SPDX-License-Identifier: MIT
"""Files on their way through images: directory to image and back, also as tar, and from one filesystem to another.

TREE has what each format finds hard. What a format keeps of it is said by hand
in KEEPS, from its format page; what an image holds is read by others
(tests/tools/held.py), and times are those of the files that went in.
"""
import gzip
import io
import json
import os
import signal
import subprocess
import tarfile
import time

import pytest

from held import held
from images import content, flashport, heed_signals, sha, shown
from test_image_manifests import BIN, TESTS

pytestmark = pytest.mark.images

# --- what goes in, and what each format keeps of it ---------------------------

FILES = {
    'a.txt': content('a', 9), 'empty': b'', 'block.bin': content('block', 4096), 'more.bin': content('more', 4097),
    'large.bin': content('large', 70_000), 'grüße': b'u', 'thirteen byte': b'13', 'a name of forty bytes, which is too long': b'40',
    'with:colon': b'colon', 'sub/two.txt': content('two', 300), 'sub/deep/three': content('three', 5), 'lower': b'lower', 'LOWER': b'upper',
}
HOLLOW = 'hollow'                                   # a folder with nothing in it
NS = {name: 1_700_000_001_123_456_789 + i * 3_000_000_000 for i, name in enumerate(sorted(FILES))}

KEEPS = {
    'littlefs': lambda p, d: True,
    'fat': lambda p, d: ':' not in p and p != 'lower',          # LOWER comes first, and is the same name
    'spiffs': lambda p, d: len('/' + p) <= 31,                  # 32 bytes with the NUL
    'minifs': lambda p, d: '/' not in p and len(p.encode()) <= 12 and len(d) <= 4096,
    'bonsai': lambda p, d: len(d) <= 65_535,
}
HAS_FOLDERS, HAS_TIMES = {'littlefs', 'fat'}, {'littlefs', 'fat'}
MADE = {
    'littlefs': {'fs': 'littlefs', 'geometry': {'block_size': 4096, 'prog_size': 16}},
    'fat': {'fs': 'fat'},
    'spiffs': {'fs': 'spiffs', 'geometry': {'log_block_size': 4096, 'log_page_size': 256},
               'options': {'obj_name_len': 32, 'obj_meta_len': 4, 'id_bytes': 2, 'use_magic': True, 'use_magic_length': True,
                           'aligned_object_index_tables': False}},
    'minifs': {'fs': 'minifs', 'geometry': {'block_size': 4096}},
    'bonsai': {'fs': 'bonsai', 'geometry': {'partition_start': 0}},
}


def kept_by(*formats):
    return {p: d for p, d in FILES.items() if all(KEEPS[fs](p, d) for fs in formats)}


def write(folder, files, hollow=True):
    folder.mkdir()
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
        os.utime(folder / path, ns=(NS[path],) * 2)
    if hollow:
        (folder / HOLLOW).mkdir()
    return folder


def read(folder):
    """({path: data}, {path of a folder}, {path: time in ns})"""
    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob('*')}
    return ({n: p.read_bytes() for n, p in found.items() if p.is_file()}, {n for n, p in found.items() if p.is_dir()},
            {n: p.stat().st_mtime_ns for n, p in found.items() if p.is_file()})


def folders_of(files, fs):
    dirs = {'/'.join(p.split('/')[:n]) for p in files for n in range(1, p.count('/') + 1)}
    return dirs | ({HOLLOW} if fs in HAS_FOLDERS else set())


def times_in(fs, files):
    """FAT counts in two seconds"""
    return {p: NS[p] // 2_000_000_000 * 2_000_000_000 if fs == 'fat' else NS[p] for p in files}


# --- a tree, an image, a tree ---------------------------------------------------

@pytest.mark.parametrize('fs', MADE)
@pytest.mark.parametrize('way', ['directory', 'out.tar', 'out.tar.gz', 'out.tar.zst', '-'])
def test_a_tree_goes_in_and_comes_out(tmp_path, fs, way):
    files = kept_by(fs)
    tree, image, out = write(tmp_path / 'in', files, fs in HAS_FOLDERS), tmp_path / 'made.img', tmp_path / 'out'
    flashport('create', image, tree, '--fs', fs)
    if way == 'directory':
        flashport('extract', image, out, '--fs', fs)
    else:
        packed = tmp_path / (way if way != '-' else 'piped.tar')
        done = flashport('extract', image, packed if way != '-' else '-', '--fs', fs)
        if way == '-':
            packed.write_bytes(done.stdout)
        out.mkdir()
        subprocess.run(['tar', '-xf', packed, '-C', out], check=True, capture_output=True)       # GNU tar's word on it
        assert list(tmp_path.glob('*.part')) == []
        again = tmp_path / 'again.img'
        flashport('create', again, packed if way != '-' else '-', '--fs', fs, input=packed.read_bytes() if way == '-' else None)
        assert held(again, MADE[fs]) == held(image, MADE[fs])
        if fs == 'littlefs':                        # whose times an archive has in full
            assert again.read_bytes() == image.read_bytes()
    found, folders, times = read(out)
    assert found == files
    assert folders == folders_of(files, fs)
    if fs in HAS_TIMES:
        assert times == times_in(fs, files)
    stored, errors = held(image, MADE[fs])
    assert not errors and shown(fs, stored) == {'/' + p: sha(d) for p, d in files.items()}


@pytest.mark.parametrize('size', ['1M', '0x20000', '131072'])
def test_an_image_has_the_size_that_was_asked_for(tmp_path, size):
    tree = write(tmp_path / 'in', {'a.txt': FILES['a.txt']}, hollow=False)
    for fs in MADE:
        flashport('create', tmp_path / f'{fs}.img', tree, '--fs', fs, '--size', size)
        assert (tmp_path / f'{fs}.img').stat().st_size == {'1M': 1 << 20}.get(size, 1 << 17)


@pytest.mark.parametrize('options, why', [
    (['--size', '4097'], 'blocks of 4096'), (['--size', '1M', '--block-count', '2'], 'give one'), (['--size', '0'], 'above 0'), (['--size', '1T'], 'above 0')])
def test_a_size_that_cannot_be_is_refused(tmp_path, options, why):
    done = flashport('create', tmp_path / 'x.img', write(tmp_path / 'in', {}), *options, ok=(2,))
    assert why in done.stderr.decode() and not (tmp_path / 'x.img').exists()


def test_a_file_never_takes_anothers_place_unseen(tmp_path):
    """What cp and mcopy ask about: two files of one command that are one name in the image."""
    for name in ('one/x', 'two/x', 'case/a', 'case/A'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    image = tmp_path / 'x.img'
    assert b"from another's" in flashport('create', image, tmp_path / 'case', '--fs', 'fat', ok=(6,)).stderr and not image.exists()
    flashport('create', image, tmp_path / 'one', '--fs', 'fat', '--size', '1M')
    before = image.read_bytes()
    for files in ([tmp_path / 'one/x', tmp_path / 'two/x'], [tmp_path / 'case']):
        assert b'another file of this put' in flashport('put', image, *files, '/', ok=(6,)).stderr
    assert image.read_bytes() == before
    flashport('create', image, tmp_path / 'case', '--force')
    assert flashport('cat', image, 'a').stdout == b'case/a' and flashport('cat', image, 'A').stdout == b'case/A'


@pytest.mark.parametrize('words', [['repair', '-n'], ['check', '--force'], ['extract', '-n', '{out}'], ['ls', '--svg', '{out}'],
                                   ['create', '--offset', '0', '{out}'], ['ls', '--volume', '1', '--offset', '0']])
def test_an_option_of_another_verb_is_refused(tmp_path, words):
    image = tmp_path / 'x.img'
    flashport('create', image, write(tmp_path / 'in', {'empty': b''}), '--size', '1M')
    before = image.read_bytes()
    verb, *rest = [w.format(out=tmp_path / 'out') for w in words]
    said = flashport(verb, image, *rest, ok=(2,)).stderr.decode()
    assert f'image {verb} takes no --' in said or 'give one' in said
    assert image.read_bytes() == before and not (tmp_path / 'out').exists()


# --- archives of others ---------------------------------------------------------

def entry(name, kind=tarfile.REGTYPE, data=b'', link=''):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname, info.mtime = kind, len(data), link, 1_600_000_000
    return info, data


def archive(path, *entries, **options):
    with tarfile.open(path, 'w', **options) as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
    return path


def files_in(image):
    return shown('littlefs', held(image, MADE['littlefs'])[0])


def test_entries_that_no_image_holds_are_named(tmp_path):
    odd = archive(tmp_path / 'odd.tar', entry('file', data=b'file'), entry('sym', tarfile.SYMTYPE, link='file'), entry('fifo', tarfile.FIFOTYPE),
                  entry('tty', tarfile.CHRTYPE), entry('../up', data=b'up'), entry('sub/../../up', data=b'up'), entry('lost', tarfile.LNKTYPE, link='nix'),
                  entry('esc\x1b[2J', tarfile.SYMTYPE, link='file'))
    done = flashport('create', tmp_path / 'x.img', odd, ok=(1,))
    said = done.stderr.decode()
    assert not (tmp_path / 'x.img').exists() and '--lossy' in said and '\x1b' not in said
    for name in ('sym: ', 'fifo: ', 'tty: ', '../up: ', 'sub/../../up: ', 'lost: ', 'esc\\x1b[2J: '):
        assert name in said, name
    flashport('create', tmp_path / 'x.img', odd, '--lossy')
    assert files_in(tmp_path / 'x.img') == {'/file': sha(b'file')}


def test_paths_stay_below_the_root_and_links_are_files(tmp_path):
    odd = archive(tmp_path / 'odd.tar', entry('/etc/passwd', data=b'root'), entry('./a//b/./c', data=b'first'), entry('a/b/c', data=b'second'),
                  entry('hard', tarfile.LNKTYPE, link='./a/b/c'), entry('z/', tarfile.DIRTYPE), entry('\udcff\udcfe', data=b'bytes'), encoding='utf-8')
    flashport('create', tmp_path / 'x.img', odd, env={**os.environ, 'LC_ALL': 'C'})
    files = files_in(tmp_path / 'x.img')
    assert sorted(files.values()) == sorted(map(sha, (b'root', b'second', b'second', b'bytes')))
    assert {k: v for k, v in files.items() if k.isascii() and '\\' not in k} == {'/etc/passwd': sha(b'root'), '/a/b/c': sha(b'second'), '/hard': sha(b'second')}
    listed = json.loads(flashport('ls', tmp_path / 'x.img', '--json').stdout)
    assert {'path': '/z', 'type': 'dir', 'size': 0} in listed
    assert [f['path_hex'] for f in listed if f['path'] is None] == ['2ffffe']


@pytest.mark.parametrize('data', [b'', b'no archive at all' * 99, None])
def test_what_is_no_archive_makes_no_image(tmp_path, data):
    path = archive(tmp_path / 'whole.tar', entry('large', data=content('large', 9000)))
    path.write_bytes(path.read_bytes()[:5000] if data is None else data)
    done = flashport('create', tmp_path / 'x.img', path, ok=(1,))
    assert str(path) in done.stderr.decode() and not (tmp_path / 'x.img').exists()


def test_an_archive_is_whole_or_not_there(tmp_path):
    """The last file of a littlefs lies in blocks that are gone."""
    image, old = tmp_path / 'x.img', tmp_path / 'out.tar'
    flashport('create', image, write(tmp_path / 'in', {'a.txt': FILES['a.txt'], 'large.bin': FILES['large.bin']}))
    data = image.read_bytes()
    at = data.index(FILES['large.bin'][:500])
    image.write_bytes(data[:at])
    old.write_bytes(b'old')
    flashport('extract', image, old, ok=(3,))
    assert old.read_bytes() == b'old' and sorted(p.name for p in tmp_path.iterdir()) == ['in', 'out.tar', 'x.img']


@pytest.mark.parametrize('args', [['create', 'new.img', 'in'], ['convert', 'old.img', 'new.img', '--fs', 'fat'], ['extract', 'old.img', 'out.tar.gz']])
def test_ctrl_c_leaves_nothing_behind(tmp_path, args):
    (tmp_path / 'in').mkdir()
    (tmp_path / 'in' / 'large').write_bytes(content('large', 32 << 20))
    flashport('create', tmp_path / 'old.img', tmp_path / 'in')
    run = subprocess.Popen([BIN / 'flashport', 'image', *args], cwd=tmp_path, preexec_fn=heed_signals)
    end = time.monotonic() + 60
    while not list(tmp_path.glob('*.part')) + list(tmp_path.glob('.*.flashport')):
        assert run.poll() is None and time.monotonic() < end, 'it has not begun'
    run.send_signal(signal.SIGINT)
    assert run.wait(60) == -signal.SIGINT
    assert sorted(p.name for p in tmp_path.iterdir()) == ['in', 'old.img']


# --- from one filesystem to another ---------------------------------------------

@pytest.mark.parametrize('target', MADE)
@pytest.mark.parametrize('source', MADE)
def test_convert_keeps_what_both_have(tmp_path, source, target):
    before, kept = kept_by(source), kept_by(source, target)
    old, new, out = tmp_path / 'old.img', tmp_path / 'new.img', tmp_path / 'out'
    flashport('create', old, write(tmp_path / 'in', before, source in HAS_FOLDERS), '--fs', source)
    was = old.read_bytes()
    lost = {'/' + p for p in before if p not in kept}
    lost |= {'/' + d for d in folders_of(before, source) - folders_of(kept, target)}
    times_lost = source in HAS_TIMES and target not in HAS_TIMES

    args = ['convert', old, new, '--fs', target, '--from', source, '--json']
    done = flashport(*args, ok=(1,) if lost or times_lost else (0,))
    report = json.loads(done.stdout)
    assert {item['path'] for item in report['lost']} == lost
    assert (report['files'], report['times_lost']) == (len(kept), len(kept) + len(folders_of(kept, target)) if times_lost else 0)
    assert new.exists() == (done.returncode == 0)
    if done.returncode:
        assert '--lossy' in done.stderr.decode()
        told = flashport(*args[:-1], ok=(1,)).stdout.decode()
        assert all(f'lost: {p}: ' in told for p in lost), told
        assert sorted(p.name for p in tmp_path.iterdir()) == ['in', 'old.img']
        flashport(*args, '--lossy')

    stored, errors = held(new, MADE[target])
    assert not errors and shown(target, stored) == {'/' + p: sha(d) for p, d in kept.items()}
    flashport('extract', new, out, '--fs', target)
    found, folders, times = read(out)
    assert found == kept and folders == folders_of(kept, target) - ({HOLLOW} if source not in HAS_FOLDERS else set())
    if source in HAS_TIMES and target in HAS_TIMES:
        assert times == times_in('fat' if 'fat' in (source, target) else target, kept)
    assert old.read_bytes() == was


def test_attributes_go_along_or_are_told(tmp_path):
    """The reference implementation's volume with attributes"""
    images = TESTS / 'images' / 'littlefs'
    with_attrs = {}
    for path in sorted(images.glob('*.json')):
        m = json.loads(path.read_text())
        found = {f['path']: {int(k) for k in f['attrs']} for f in m.get('files', []) if f.get('attrs')}
        if found and m.get('mount') != 'error' and not m.get('mount_error'):
            with_attrs[path.stem] = found
    assert with_attrs, 'no reference image has attributes'
    for name, found in with_attrs.items():
        old = tmp_path / f'{name}.img'
        old.write_bytes(gzip.decompress((images / f'{name}.img.gz').read_bytes()))
        report = json.loads(flashport('convert', old, tmp_path / f'{name}.fat', '--fs', 'fat', '--json', ok=(0, 1)).stdout)
        told = {i['path'] for i in report['lost'] if 'attribute' in i['text']}
        lost = {i['path'] for i in report['lost']} - told
        own = {p for p, types in found.items() if types - {1, ord('t')}}
        assert own - lost <= told <= set(found), name
        report = json.loads(flashport('convert', old, tmp_path / f'{name}.lfs', '--fs', 'littlefs', '--json').stdout)
        assert report['lost'] == []


def test_convert_takes_a_new_image_only_by_force(tmp_path):
    old, new = tmp_path / 'old.img', tmp_path / 'new.img'
    flashport('create', old, write(tmp_path / 'in', kept_by('fat')))
    new.write_bytes(b'a dump that nobody means to lose')
    flashport('convert', old, new, '--fs', 'fat', ok=(6,))
    flashport('convert', old, new, '--fs', 'fat', '--size', '64K', '--force', ok=(7,))
    assert new.read_bytes() == b'a dump that nobody means to lose'
    flashport('convert', old, new, '--fs', 'fat', '--force')
    assert not held(new, MADE['fat'])[1]
    flashport('convert', old, tmp_path / 'x', ok=(2,))
    flashport('convert', old, tmp_path / 'x', '--fs', 'nix', ok=(2,))
    flashport('convert', old, tmp_path / 'x', '--fs', 'raw', ok=(2,))
    flashport('convert', tmp_path / 'nix', tmp_path / 'x', '--fs', 'fat', ok=(4,))
    flashport('convert', tmp_path / 'in' / 'large.bin', tmp_path / 'x', '--fs', 'fat', ok=(3,))
