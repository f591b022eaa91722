# SPDX-License-Identifier: MIT
"""image analyze, diff and trace: what the blocks of an image are used for, which files
differ, and what a workload asks of the flash.

Uses are held against the manifests of the reference images and the independent
checkers, wear against the erases that a trace counts, traces against fs_bench, which
counts by another device, and against counts by hand.
"""
import gzip
import json
import os
import pathlib
import pty
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree

import pytest

pytestmark = pytest.mark.images

TESTS = pathlib.Path(__file__).resolve().parent.parent
BIN = pathlib.Path(os.environ.get('FP_BIN', TESTS.parent / 'build' / 'debug' / 'bin'))
LETTERS = {'M': 'metadata', 'D': 'data', 'S': 'stale', '.': 'erased', 'B': 'bad'}
BLOCK = 4096


def flashport(*args, ok=(0,), stdin='', env=None):
    done = subprocess.run([BIN / 'flashport', 'image', *map(str, args)], capture_output=True, timeout=120, input=stdin.encode(), env=env)
    assert done.returncode in ok, f'{args}: exit {done.returncode}\n{done.stderr.decode()}'
    return done


def unpack(name, folder):
    """(path, manifest) of a reference image"""
    base, path = TESTS / 'images' / name, folder / f'{pathlib.Path(name).name}.img'
    path.write_bytes(gzip.decompress(base.with_suffix('.img.gz').read_bytes()))
    return path, json.loads(base.with_suffix('.json').read_text())


def analyze(image, *args):
    """its JSON, of which the runs cover each block once and are as many as the counts say"""
    a = json.loads(flashport('analyze', image, '--json', *args).stdout)
    at, counts = 0, dict.fromkeys(a['blocks'], 0)
    for run in a['runs']:
        assert run['first'] == at and run['count'] > 0
        at += run['count']
        counts[run['use']] += run['count']
    assert at == a['block_count'] and counts == a['blocks']
    assert all(x['use'] != y['use'] for x, y in zip(a['runs'], a['runs'][1:])), 'runs that touch are one'
    return a


def by_block(runs, key):
    return {b: run[key] for run in runs for b in range(run['first'], run['first'] + run['count'])}


def map_lines(text):
    return [line for line in text.splitlines() if re.fullmatch(r' *\d+  [.A-Za-z]{1,64}', line)]


# --- an aged image --------------------------------------------------------------------

class Logger:
    """A device's life: settings rewritten, logs that grow and begin again, files that come and go.

    Writes the script, and knows which files there are after it.
    """

    def __init__(self, lines):
        self.state, self.sizes = 1, {'/hello.txt': 3}
        self.lines = [f'mkdir /d{i}' for i in range(12)]
        while len(self.lines) < lines:
            self.live()
        self.script = '\n'.join(self.lines) + '\n'

    def draw(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % n

    def write(self, path, size):
        self.sizes[path] = size
        self.lines.append(f'write {path} {size}')

    def live(self):
        what, path = self.draw(10), f'/d{self.draw(12)}/f{self.draw(200)}'
        files = [p for p in self.sizes if '/f' in p]
        if what < 6:
            self.write(f'/d{self.draw(12) * self.draw(12) // 12}/settings', 40 + self.draw(400))
        elif what < 8 and not self.draw(40):
            self.write(f'/d{self.draw(4)}/log', 0)
        elif what < 8:
            log, size = f'/d{self.draw(4)}/log', 80 + self.draw(900)
            self.sizes[log] = self.sizes.get(log, 0) + size
            self.lines.append(f'append {log} {size}')
        elif len(files) < 40:
            self.write(path, (100, 3000, 9000, 30000)[self.draw(4)] + self.draw(5000))
        else:
            gone = files[self.draw(len(files))]
            del self.sizes[gone]
            self.lines.append(f'rm {gone}')


@pytest.fixture(scope='module')
def aged(tmp_path_factory):
    """(image, its life, erases by block as the trace of it tells)"""
    folder = tmp_path_factory.mktemp('aged')
    life, young, image = Logger(6000), folder / 'young.img', folder / 'aged.img'
    (folder / 'in').mkdir()
    (folder / 'in' / 'hello.txt').write_bytes(b'hi\n')
    flashport('create', young, folder / 'in', '--block-count', 512)
    before = young.read_bytes()
    events = flashport('trace', young, '--json', '--save', image, stdin=life.script).stdout.decode()
    assert young.read_bytes() == before, 'a trace has written'
    erases = dict.fromkeys(range(512), 0)
    for event in map(json.loads, events.splitlines()):
        for n in range(event['size'] // BLOCK if event.get('op') == 'erase' else 0):
            erases[event['block'] + n] += 1
    return image, life, erases


def test_a_saved_trace_is_what_the_workload_made(aged):
    image, life, _ = aged
    listed = json.loads(flashport('ls', image, '--json').stdout)
    assert {f['path']: f['size'] for f in listed if f['type'] == 'file'} == life.sizes
    checked = subprocess.run([sys.executable, TESTS / 'tools' / 'littlefs_check.py', image, '--block-size', str(BLOCK), '--json'],
                             capture_output=True, timeout=120)
    truth = json.loads(checked.stdout)
    assert truth['findings'] == []
    blocks = analyze(image)['blocks']
    assert blocks['metadata'] + blocks['data'] == truth['blocks_in_use']


def test_wear_is_what_a_block_had_at_the_least(aged):
    image, _, erases = aged
    a = analyze(image)
    told, uses = by_block(a['wear']['runs'], 'erases'), by_block(a['runs'], 'use')
    assert len(told) == a['wear']['blocks'] >= 20
    assert all(uses[block] == 'metadata' for block in told)
    format_erased = {0: 1, 1: 1}  # before the trace
    for block, least in told.items():
        assert 1 <= least <= erases[block] + format_erased.get(block, 0), block
    assert a['wear']['most'] == max(told.values()) > 10
    assert a['wear']['mean'] == pytest.approx(sum(told.values()) / len(told), abs=0.001)


def test_the_map_is_the_runs_in_letters(aged):
    text = flashport('analyze', aged[0]).stdout.decode()
    assert max(map(len, text.splitlines())) <= 80
    assert '\033' not in text
    lines = map_lines(text)
    assert [int(line.split()[0]) for line in lines] == list(range(0, 512, 64))
    uses = by_block(analyze(aged[0])['runs'], 'use')
    assert [LETTERS[c] for line in lines for c in line.split()[1]] == [uses[b] for b in range(512)]


def test_a_large_map_fits_too(tmp_path):
    """65,536 blocks: 64 a letter. /a fills 300 blocks, so there are letters of all data and such of a part."""
    (tmp_path / 'in').mkdir()
    (tmp_path / 'in' / 'a').write_bytes(os.urandom(300 * BLOCK))
    image = tmp_path / 'large.img'
    flashport('create', image, tmp_path / 'in', '--block-count', 65536)
    text = flashport('analyze', image, '--svg', tmp_path / 'large.svg').stdout.decode()
    lines, uses = map_lines(text), by_block(analyze(image)['runs'], 'use')
    assert len(lines) <= 24 and max(map(len, text.splitlines())) <= 80
    letters = ''.join(line.split()[1] for line in lines)
    assert len(letters) == 1024
    for n, letter in enumerate(letters):
        here = [uses[b] for b in range(n * 64, n * 64 + 64)]
        meant = {'e': 'erased'}.get(letter) or LETTERS[letter.upper()]
        assert here.count(meant) == max(map(here.count, here))
        assert (letter in LETTERS) == (len(set(here)) == 1)
    assert 'D' in letters and {'d', 'e'} & set(letters)
    assert (tmp_path / 'large.svg').stat().st_size < 600_000


def on_terminal(args, env):
    """what it prints on a pty"""
    master, slave = pty.openpty()
    with subprocess.Popen([BIN / 'flashport', 'image', *map(str, args)], stdout=slave, env={**os.environ, **env}) as child:
        os.close(slave)
        out = b''
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            out += piece
        assert child.wait(60) == 0
    os.close(master)
    return out.decode().replace('\r\n', '\n')


def test_colour_is_for_terminals_and_adds_nothing(aged):
    plain = flashport('analyze', aged[0]).stdout.decode()
    coloured = on_terminal(['analyze', aged[0]], {'TERM': 'xterm', 'NO_COLOR': ''})
    assert coloured != plain and re.sub(r'\033\[[0-9;]*m', '', coloured) == plain
    assert on_terminal(['analyze', aged[0]], {'TERM': 'xterm', 'NO_COLOR': '1'}) == plain
    assert on_terminal(['analyze', aged[0]], {'TERM': 'dumb'}) == plain


# --- the picture ----------------------------------------------------------------------

SVG = '{http://www.w3.org/2000/svg}'
FILLS = {'#12355b': 'metadata', '#7fbfe6': 'data', 'url(#stale)': 'stale', '#f1efe8': 'erased', 'url(#bad)': 'bad'}


def squares(root):
    """use -> area, in squares, of the map"""
    side, area = None, {}
    for path in root.iter(f'{SVG}path'):
        pieces = re.findall(r'M(\d+) (\d+)h(\d+)v(\d+)h-(\d+)z', path.get('d'))
        if path.get('fill') in FILLS and pieces:
            side = int(pieces[0][3])
            area[FILLS[path.get('fill')]] = sum(int(p[2]) // side for p in pieces)
    return area


def test_the_picture_is_one_file_that_says_all(aged, tmp_path):
    svg = tmp_path / 'aged.svg'
    flashport('analyze', aged[0], '--svg', svg)
    text = svg.read_text()
    root, blocks = xml.etree.ElementTree.fromstring(text), analyze(aged[0])['blocks']
    assert squares(root) == {use: n for use, n in blocks.items() if n}
    shown = ' '.join(''.join(t.itertext()) for t in root.iter(f'{SVG}text'))
    for word in ('aged.img', 'littlefs 2.1', '512 blocks of 4096', 'most', *(f'{use}: {blocks[use]} (' for use in list(blocks)[:4])):
        assert word in shown, word
    assert root.find(f'{SVG}title').text == 'aged.img'
    assert 'script' not in text and not re.search(r'href|url\((?!#)', text) and text.count('http') == 1  # the namespace


def test_the_picture_escapes_the_name(tmp_path):
    image = tmp_path / 'a<b>&"\x1b[31m\'.img'
    (tmp_path / 'in').mkdir()
    flashport('create', image, tmp_path / 'in', '--block-count', 16)
    root = xml.etree.ElementTree.fromstring(flashport('analyze', image, '--svg', '-').stdout)
    assert root.find(f'{SVG}title').text == 'a<b>&"\\x1b[31m\'.img'
    assert sum(squares(root).values()) == 16


def test_the_picture_does_not_replace_the_image(aged, tmp_path):
    image = shutil.copy(aged[0], tmp_path / 'mine.img')
    before = image.read_bytes()
    assert b'image itself' in flashport('analyze', image, '--svg', image, ok=(6,)).stderr
    (tmp_path / 'link').symlink_to(image)
    flashport('analyze', image, '--svg', tmp_path / 'link', ok=(6,))
    assert image.read_bytes() == before
    flashport('analyze', image, '--svg', tmp_path / 'none' / 'x.svg', ok=(4,))


# --- uses, by manifests ---------------------------------------------------------------

@pytest.mark.parametrize('name', ['fat12_frag', 'fat12_spc4', 'fat16_many'])
def test_fat_is_counted_by_its_manifest(tmp_path, name):
    """Sectors of files and directories are data; tables and the fixed root are metadata."""
    image, manifest = unpack(f'fat/{name}', tmp_path)
    v = manifest['volumes'][0]
    cluster = v['bytes_per_sector'] * v['sectors_per_cluster']
    files = sum(-(-f['size'] // cluster) * v['sectors_per_cluster'] for f in v['files'] if f['type'] == 'file')
    fixed = v['reserved_sectors'] + v['fats'] * v['sectors_per_fat'] + v['root_entries'] * 32 // v['bytes_per_sector']
    dirs = sum(f['type'] == 'dir' for f in v['files'])
    a = analyze(image)
    grown = a['blocks']['data'] - files - dirs * v['sectors_per_cluster']
    assert grown == 0 or dirs and grown > 0 and grown % v['sectors_per_cluster'] == 0, 'a directory has a cluster or more'
    assert a['blocks']['metadata'] - fixed in range(v['sectors_per_cluster'])  # what fills no cluster
    assert a['wear'] is None


def test_bad_clusters_are_seen_in_every_form(tmp_path):
    """30 of FAT16's free clusters, one sector each, are marked 0xfff7 by hand."""
    image, _ = unpack('fat/fat16_many', tmp_path)
    data = bytearray(image.read_bytes())
    reserved, fats, length = int.from_bytes(data[14:16], 'little'), data[16], int.from_bytes(data[22:24], 'little')
    free = [c for c in range(2, 4000) if not any(data[reserved * 512 + c * 2:][:2])]
    for cluster in free[100:3100:100]:
        for table in range(fats):
            at = (reserved + table * length) * 512 + cluster * 2
            data[at:at + 2] = b'\xf7\xff'
    image.write_bytes(data)
    assert analyze(image)['blocks']['bad'] == 30
    root = xml.etree.ElementTree.fromstring(flashport('analyze', image, '--svg', '-').stdout)
    assert squares(root)['bad'] == 30
    text = flashport('analyze', image).stdout.decode()
    assert sum(line.split()[1].count('b') for line in map_lines(text)) == 30 and re.search(r'\nbad +B +30 blocks', text)


@pytest.mark.parametrize('name', ['espidf_b4096_p256_churn', 'std_b4096_p128_churn'])
def test_spiffs_tells_its_erases_together(tmp_path, name):
    image, _ = unpack(f'spiffs/{name}', tmp_path)
    a = analyze(image, '--fs', 'spiffs')
    assert a['wear']['erases_together'] >= a['block_count']
    assert f'{a["wear"]["erases_together"]} erases of all blocks together' in flashport('analyze', image, '--fs', 'spiffs').stdout.decode()


def test_block_cycles_of_the_device_can_be_said(tmp_path):
    image, manifest = unpack('littlefs/wear_b512_c8', tmp_path)
    assert manifest['options']['block_cycles'] == 8
    wear = analyze(image, '--opt', 'block_cycles=8')['wear']
    told = by_block(wear['runs'], 'erases')
    assert all(n <= 5 for block, n in told.items() if block > 1), 'moved when the revision is a multiple of 9'


def test_who_cannot_tell_says_so(tmp_path):
    (tmp_path / 'x').write_bytes(bytes(BLOCK * 4))
    done = flashport('analyze', tmp_path / 'x', '--fs', 'raw', '--opt', 'all=0+0x4000', ok=(1,))
    assert b'does not tell' in done.stderr and done.stdout == b''


# --- diff -----------------------------------------------------------------------------

def tree(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (1_700_000_001, 1_700_000_001))
    return folder


OLD = {'same': b's' * 5000, 'grown': b'a', 'other': b'x' * 300, 'gone': b'gone', 'name one': b'moved' * 900,
       'twice1': b'twin' * 40, 'twice2': b'twin' * 40, 'empty-old': b'', 'sub/deep': b'deep', 'late': b'late'}
NEW = {'same': b's' * 5000, 'grown': b'ab', 'other': b'y' * 300, 'new': b'neww', 'name two': b'moved' * 900,
       'twice3': b'twin' * 40, 'empty-new': b'', 'sub/deep': b'deep', 'late': b'late', 'd/e': b'1'}
CHANGES = [('added', '/d/e'), ('added', '/empty-new'), ('removed', '/empty-old'), ('removed', '/gone'), ('changed', '/grown'),
           ('renamed', '/name one', '/name two'), ('added', '/new'), ('changed', '/other'), ('renamed', '/twice1', '/twice3'),
           ('removed', '/twice2')]


def changes(done):
    doc = json.loads(done.stdout)
    assert doc['same'] == (not doc['changes']) == (done.returncode == 0)
    return [(c['change'], c['path'], *([c['to']] if 'to' in c else [])) for c in doc['changes']]


@pytest.fixture(scope='module')
def trees(tmp_path_factory):
    folder = tmp_path_factory.mktemp('trees')
    tree(folder / 'old', OLD)
    os.utime(tree(folder / 'new', NEW) / 'late', (1_700_009_000, 1_700_009_000))
    for name in ('old', 'new'):
        for fs in ('littlefs', 'fat', 'spiffs'):
            flashport('create', folder / f'{name}.{fs}', folder / name, '--fs', fs, '--block-count', 200)
    return folder


@pytest.mark.parametrize('a', ['littlefs', 'fat', 'spiffs'])
@pytest.mark.parametrize('b', ['littlefs', 'fat', 'spiffs'])
def test_diff_by_file_whatever_the_filesystems(trees, a, b):
    has_dirs = 'spiffs' not in (a, b)
    expected = sorted([*CHANGES, *([('added', '/d')] if has_dirs else [])], key=lambda c: c[1])
    assert changes(flashport('diff', trees / f'old.{a}', trees / f'new.{b}', '--json', ok=(1,))) == expected
    assert changes(flashport('diff', trees / f'old.{a}', trees / f'old.{b}', '--json')) == []
    assert flashport('diff', trees / f'new.{a}', trees / f'new.{b}').stdout == b''


def test_diff_in_words(trees):
    said = flashport('diff', trees / 'old.littlefs', trees / 'new.fat', ok=(1,)).stdout.decode()
    assert said.splitlines() == [
        'added    /d/', 'added    /d/e', 'added    /empty-new', 'removed  /empty-old', 'removed  /gone', 'changed  /grown: 1 bytes, then 2',
        'renamed  /name one -> /name two', 'added    /new', 'changed  /other: other content, 300 bytes', 'renamed  /twice1 -> /twice3',
        'removed  /twice2', '4 added, 3 removed, 2 changed, 2 renamed']


@pytest.mark.parametrize('a,b', [('littlefs', 'littlefs'), ('fat', 'littlefs')])
def test_diff_long_sees_times(trees, a, b):
    """FAT keeps even seconds; the times here are odd, so it has others for all files, and that is no difference."""
    long = changes(flashport('diff', trees / f'old.{a}', trees / f'new.{b}', '-l', '--json', ok=(1,)))
    assert [c for c in long if c[0] == 'touched'] == [('touched', '/late')]
    assert changes(flashport('diff', trees / f'old.{a}', trees / f'old.{b}', '-l', '--json')) == []


def test_diff_a_file_that_became_a_directory(tmp_path):
    for name, files in (('a', {'x': b'file'}), ('b', {'x/y': b'in it'})):
        flashport('create', tmp_path / f'{name}.img', tree(tmp_path / name, files))
    said = flashport('diff', tmp_path / 'a.img', tmp_path / 'b.img', ok=(1,)).stdout.decode()
    assert 'changed  /x: a file, then a directory\nadded    /x/y\n' in said


def test_diff_of_what_lies_in_a_dump(trees, tmp_path):
    dump = tmp_path / 'dump'
    dump.write_bytes(b'\xe9\x03' * BLOCK + (trees / 'old.littlefs').read_bytes())
    flashport('diff', trees / 'old.fat', dump, '--b-offset', 2 * BLOCK)
    flashport('diff', dump, trees / 'old.fat', '--offset', 2 * BLOCK, '--b-fs', 'fat')
    assert b'nothere' in flashport('diff', dump, tmp_path / 'nothere', ok=(4,)).stderr
    assert b'dump: the fat is damaged' in flashport('diff', trees / 'old.fat', dump, '--b-offset', 0, '--b-fs', 'fat', ok=(3,)).stderr


# --- trace ----------------------------------------------------------------------------

@pytest.fixture(scope='module')
def empty(tmp_path_factory):
    folder = tmp_path_factory.mktemp('empty')
    (folder / 'in').mkdir()
    flashport('create', folder / 'lfs.img', folder / 'in', '--block-count', 64)
    return folder


def events(image, script, *args):
    """(operations, {step: its summary}) of a workload"""
    lines = [json.loads(line) for line in flashport('trace', image, '--json', *args, stdin=script).stdout.splitlines()]
    return [e for e in lines if 'op' in e], {e['summary']: e for e in lines if 'summary' in e}


def test_a_file_of_three_blocks_by_hand(empty):
    """10,000 bytes: 3 data blocks, each erased once and programmed in order up to the unit; then one commit in the root."""
    ops, costs = events(empty / 'lfs.img', '# a comment\n\nwrite "/a file" 10000\n')
    written = [e for e in ops if e['step'] == 'write']
    assert {e['line'] for e in written} == {3}
    erased = [e['block'] for e in written if e['op'] == 'erase']
    assert len(erased) == 3 == costs['write']['blocks_erased'] and not {0, 1} & set(erased)
    for block in erased:
        at = 0
        for e in written:
            if e['op'] == 'prog' and e['block'] == block:
                assert e['offset'] == at, 'gapless'
                at += e['size']
    data = sum(e['size'] for e in written if e['op'] == 'prog' and e['block'] in erased)
    assert 10000 <= data < 10000 + 3 * 16 + 16, 'content, pointers of 4 and 8 bytes, filled up to 16'
    assert {e['block'] for e in written if e['op'] == 'prog'} - set(erased) <= {0, 1}
    assert costs['write']['content'] == 10000 and costs['write']['times'] == 1


def test_the_summary_is_the_sum_of_the_operations(empty):
    script = 'mkdir /d\nwrite /d/a 5000\nappend /d/a 100\nread /d/a\nread /d/a 5000 50\nls /d\nls\nstat /d/a\nmv /d/a /b\nrm /b\nsync\n'
    ops, costs = events(empty / 'lfs.img', script)
    steps = {'mount': 1, **dict.fromkeys(('mkdir', 'write', 'append', 'stat', 'mv', 'rm', 'sync', 'unmount'), 1), 'read': 2, 'ls': 2}
    assert {s: c['times'] for s, c in costs.items() if s != 'all'} == steps
    for step, cost in costs.items():
        mine = [e for e in ops if step in ('all', e['step'])]
        for op, calls, size in (('read', 'reads', 'bytes_read'), ('prog', 'progs', 'bytes_programmed')):
            assert cost[calls] == sum(e['op'] == op for e in mine)
            assert cost[size] == sum(e['size'] for e in mine if e['op'] == op)
        assert cost['blocks_erased'] * BLOCK == sum(e['size'] for e in mine if e['op'] == 'erase')
    assert costs['read']['content'] == 5100 + 50
    assert all(costs[s]['progs'] == costs[s]['blocks_erased'] == 0 for s in ('mount', 'read', 'ls', 'stat', 'unmount'))


@pytest.mark.parametrize('fs,options', [('minifs', []), ('spiffs', ['--page-size', 256, '--opt', 'meta_len=0'])])
def test_counts_are_those_of_the_bench(empty, tmp_path, fs, options):
    """fs_bench's row e: a value of 100 bytes written 500 times, counted by core/bdev/stats."""
    if not (BIN / 'fs_bench').exists():
        pytest.skip('fs_bench is not built')
    truth = json.loads(subprocess.run([BIN / 'fs_bench', fs, 'e'], capture_output=True, check=True, timeout=120).stdout)
    flashport('create', tmp_path / 'x.img', empty / 'in', '--fs', fs, '--block-count', 512, *options)
    _, costs = events(tmp_path / 'x.img', 'write /cfg 100\n' * 500, '--fs', fs, *options, '--block-size', BLOCK, '--summary')
    cost = costs['write']
    assert (cost['reads'], cost['bytes_read'], cost['progs'], cost['bytes_programmed'], cost['blocks_erased']) == tuple(
        truth[k] for k in ('reads', 'read_bytes', 'program_calls', 'program_bytes', 'erases'))


def test_a_card_is_written_by_sectors(trees):
    before = (trees / 'old.fat').read_bytes()
    ops, costs = events(trees / 'old.fat', 'write /a 3000\nread /other\nrm /gone\n')
    assert all(e['offset'] == 0 and e['size'] % 512 == 0 for e in ops if e['op'] == 'prog')
    assert costs['write']['bytes_programmed'] >= 6 * 512 and costs['read']['content'] == 300
    assert (trees / 'old.fat').read_bytes() == before


def test_the_listing_in_words(empty):
    said = flashport('trace', empty / 'lfs.img', stdin='write /a 10\n').stdout.decode()
    assert max(map(len, said.splitlines())) <= 80
    assert '\n1: write /a 10\n' in said and re.search(r'\n  prog +[01] +0x[0-9a-f]+ +\d+\n', said) and '\n  sync\n' in said
    summary = flashport('trace', empty / 'lfs.img', '--summary', stdin='write /a 10\n').stdout.decode()
    assert said.endswith(summary) and summary.startswith('step ') and 'for each byte written' in summary


@pytest.mark.parametrize('script,words', [
    ('sync\nfrob /a\n', 'line 2: not one of write,'),
    ('write /a\n', 'line 1: it is: write PATH SIZE'),
    ('\n\nwrite /a many\n', 'line 3: no number of bytes: many'),
    ('write /a -1\n', 'line 1: no number of bytes: -1'),
    ('read /a 5\n', 'line 1: it is: read PATH [OFFSET SIZE]'),
    ('mv /a\n', 'line 1: it is: mv FROM TO'),
    ('sync now\n', 'line 1: it is: sync'),
    ('rm "/a\n', 'line 1: a quote is not closed'),
    ('rm ""\n', 'line 1: a path is empty'),
    ('rm 1 2 3 4 5 6\n', 'line 1: too many words'),
    ('rm ' + 'x' * 9000 + '\n', 'line 1: too long'),
])
def test_a_wrong_script_is_told_before_anything_is_done(empty, script, words):
    done = flashport('trace', empty / 'lfs.img', stdin=script, ok=(2,))
    assert words in done.stderr.decode() and done.stdout == b''


def test_a_line_that_fails_ends_it_and_is_named(empty, tmp_path):
    script = tmp_path / 'script'
    script.write_text('write /a 5\nrm /b\nwrite /c 5\n')
    done = flashport('trace', empty / 'lfs.img', script, '--summary', '--json', '--save', tmp_path / 'not.img', ok=(4,))
    assert 'line 2: rm /b: no such file' in done.stderr.decode().lower()
    costs = {e['summary']: e for e in map(json.loads, done.stdout.splitlines())}
    assert costs['write']['times'] == 1 and costs['rm']['times'] == 1
    assert not (tmp_path / 'not.img').exists() and not list(tmp_path.glob('*.part'))
    full = flashport('trace', empty / 'lfs.img', '--summary', stdin='write /a 10M\n', ok=(7,))
    assert 'line 1: write /a' in full.stderr.decode()
    assert b'trace: ' not in flashport('trace', empty / 'lfs.img', tmp_path / 'none', ok=(4,)).stderr


def test_save_replaces_nothing(empty, tmp_path):
    there = tmp_path / 'there'
    there.write_text('mine')
    assert b'exists' in flashport('trace', empty / 'lfs.img', '--save', there, stdin='sync\n', ok=(6,)).stderr
    flashport('trace', empty / 'lfs.img', '--save', empty / 'lfs.img', stdin='sync\n', ok=(6,))
    assert there.read_text() == 'mine'


@pytest.mark.parametrize('verb', ['analyze', 'diff', 'trace'])
def test_each_has_its_help(verb):
    said = flashport(verb, '--help').stdout.decode().split('--opt by')[0]
    assert said.startswith(f'usage: flashport image {verb} IMAGE') and max(map(len, said.splitlines())) <= 80
