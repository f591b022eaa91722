# SPDX-License-Identifier: MIT
"""What `flashport image` answers: a document with --json whatever happens, sentences that say what would be right, and an
error where an answer cannot be written.
"""
import json
import subprocess

import pytest

from images import flashport, reference
from test_image_manifests import BIN

pytestmark = pytest.mark.images


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'in' / 'sub').mkdir(parents=True)
    (tmp_path / 'in' / 'a').write_bytes(b'a')
    (tmp_path / 'in' / 'sub' / 'b').write_bytes(b'b')
    flashport('create', 'x.img', 'in', '--size', '64K')
    (tmp_path / 'noise').write_bytes(bytes(range(256)) * 16)
    (tmp_path / 'blank').write_bytes(b'\xff' * 65536)
    return tmp_path


# --- --json ------------------------------------------------------------------------

ANSWERS = [  # each on what those before it left
    ('mkdir x.img one two', {'dirs': 2}),
    ('mkdir -p x.img one/deep', {'dirs': 1}),
    ('mv x.img two three', {'moved': True}),
    ('mv -n x.img a sub/b', {'moved': False}),
    ('put x.img in /', {'files': 2, 'dirs': 1, 'lost': []}),
    ('rm x.img a', {'files': 1, 'dirs': 0}),
    ('rm -r x.img in three', {'files': 2, 'dirs': 3}),
    ('rm -f x.img nope', {'files': 0, 'dirs': 0}),
    ('extract x.img out', {'files': 1, 'dirs': 3}),
    ('create y.img in --fs fat', {'entries': 3, 'lost': []}),
]
REFUSED = [  # what is typed, exit code, what the sentence names
    ('rm x.img nope', 4, 'nope'), ('mv x.img nope x', 4, 'nope'), ('mkdir x.img sub', 6, 'sub'), ('put x.img nope /', 4, 'nope'),
    ('ls noise', 3, 'noise'), ('cat x.img nope', 4, 'nope'), ('check noise', 3, 'noise'), ('analyze noise', 3, 'noise'),
    ('diff x.img noise', 3, 'noise'), ('diff x.img nope', 4, 'nope'), ('extract noise out', 3, 'noise'), ('repair noise', 3, 'noise'),
    ('create x.img in', 6, '--force'), ('convert noise y.img --fs fat', 3, 'noise'), ('convert x.img y.img', 2, '--fs'),
    ('info nope', 4, 'nope'), ('frob x.img', 2, 'frob'), ('ls -', 2, 'pipe'), ('ls x.img --block-size 0', 2, 'block-size'),
    ('ls x.img --nonsense', 2, 'option'), ('trace noise', 3, 'noise'),
    ('ls blank --fs littlefs --block-size 4096', 3, 'erased'), ('check blank --fs spiffs --opt magic=0', 3, 'erased'),
]


def test_each_verb_answers_in_json(here):
    for typed, answer in ANSWERS:
        assert json.loads(flashport(*typed.split(), '--json').stdout) == answer, typed


@pytest.mark.parametrize('typed,code,word', REFUSED, ids=[r[0] for r in REFUSED])
def test_an_error_is_a_document_too(here, typed, code, word):
    done = flashport(*typed.split(), '--json', ok=(code,), stdin=subprocess.DEVNULL)
    error = json.loads(done.stderr)['error']
    assert error['exit'] == code and word in error['text'] and not done.stdout
    assert not flashport(*typed.split(), ok=(code,), stdin=subprocess.DEVNULL).stdout


def test_a_report_is_the_document_whatever_the_exit_code(here):
    reference('littlefs/basic_b4096_p256_v21')(here / 'other.img')
    assert json.loads(flashport('diff', 'x.img', 'other.img', '--json', ok=(1,)).stdout)['same'] is False
    assert 'map' in json.loads(flashport('info', 'noise', '--json', ok=(3,)).stdout)
    told = flashport('convert', 'x.img', 'y.img', '--fs', 'minifs', '--json', ok=(1,)).stdout
    assert json.loads(told)['lost']


# --- where it goes -------------------------------------------------------------------

@pytest.mark.parametrize('typed', ['diff x.img y.img', 'ls x.img', 'ls x.img --json', 'cat x.img a', 'info x.img', 'check x.img', '--help', 'analyze x.img',
                                   'ls --help', 'analyze x.img --svg -', 'extract x.img -', 'trace x.img script', 'rm x.img a --json'])
def test_an_answer_that_cannot_be_written_is_an_error(here, typed):
    reference('littlefs/basic_b4096_p256_v21')(here / 'y.img')
    (here / 'script').write_text('ls\n')
    with open('/dev/full', 'wb') as full:
        done = subprocess.run([BIN / 'flashport', 'image', *typed.split()], stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode not in (0, -13) and b'be written' in done.stderr, done


def test_other_commands_too(here):
    for words in ['--help'], ['--version'], ['ls', '--help']:
        with open('/dev/full', 'wb') as full:
            done = subprocess.run([BIN / 'flashport', *words], stdout=full, stderr=subprocess.PIPE, timeout=60)
        assert done.returncode == 1 and b'cannot be written' in done.stderr


@pytest.mark.parametrize('typed', ['ls -', 'put - in /', 'create - in', 'convert x.img - --fs fat', 'diff x.img -', 'trace x.img script --save -'])
def test_an_image_is_no_pipe(here, typed):
    (here / 'script').write_text('ls\n')
    before = sorted(p.name for p in here.iterdir())
    assert b'./-' in flashport(*typed.split(), ok=(2,)).stderr
    assert sorted(p.name for p in here.iterdir()) == before
    flashport('create', './-', 'in')
    assert (here / '-').exists()


# --- sentences -------------------------------------------------------------------------

SENTENCES = [  # what is typed, exit code, what is said
    ('ls x.img --fs fat', 3, 'looks like a littlefs'),
    ('ls x.img --fs spiffs', 3, 'looks like a littlefs'),
    ('ls x.img --fs minifs', 3, 'looks like a littlefs'),
    ('ls x.img --block-size 512', 3, 'looks like a littlefs with blocks of 4096'),
    ('ls x.img --block-size 1000', 3, 'looks like a littlefs with blocks of 4096'),
    ('ls x.img --block-count 3', 3, 'looks like a littlefs with blocks of 4096'),
    ('ls f.img --block-size 4096 --fs fat', 3, 'looks like a fat with blocks of 512'),
    ('mkdir m.img x', 1, 'm.img: a minifs has no directories\n'),
    ('create y.img in --fs minifs', 1, 'minifs has no folders'),
    ('put m.img in /', 1, "a name must do without '/'"),
    ('create y.img in --fs spiffs --page-size 1000', 1, 'pages of 1000'),
    ('create y.img in --fs spiffs --block-size 256', 1, 'blocks of 256'),
    ('create y.img in --fs bonsai --block-size 4096', 1, 'blocks of 4096'),
    ('cat x.img ../a', 1, 'no name that a littlefs can have'),
    ('create none/y.img in', 4, 'none/y.img: No such file'),
    ('put f.img in/a /a:b', 1, '"a:b" is no name on fat: it cannot have \':\', nor any of " * : < > ? |\n'),
    ('mkdir f.img x..', 1, '"x.." is no name on fat: it cannot end with a dot or a blank; "x" would do\n'),
    ('mv f.img a b\\c', 1, 'is no name on fat: it cannot have a backslash\n'),
    ('put f.img in/a /' + 'n' * 256, 1, '", which goes on, is no name on fat: it has 256 bytes, and 255 are the most\n'),
    ('create y.img odd --fs fat', 1, '"dot." is no name on fat: it cannot end with a dot'),
]


@pytest.mark.parametrize('typed,code,words', SENTENCES, ids=[s[0] for s in SENTENCES])
def test_what_is_said(here, typed, code, words):
    (here / 'flat').mkdir()
    (here / 'odd').mkdir()
    (here / 'odd' / 'dot.').write_bytes(b'a')
    (here / 'flat' / 'a').write_bytes(b'a')
    flashport('create', 'm.img', 'flat', '--fs', 'minifs', '--size', '64K')
    flashport('create', 'f.img', 'in', '--fs', 'fat', '--size', '1M')
    said = flashport(*typed.split(), ok=(code,)).stderr.decode()
    assert words in said and 'flashport: ' not in said[1:] and '.part' not in said and '.flashport' not in said, said


def test_one_is_not_many(here):
    flashport('create', 's.img', 'in', '--fs', 'spiffs', '--size', '64K')
    used = flashport('analyze', 's.img').stdout.decode()
    assert ' 1 blocks' not in used and '  1 block ' in used


def test_spiffs_tells_what_it_takes(here):
    """32 bytes with a NUL behind; the slash before the path is stored, and no part of what is told."""
    flashport('create', 's.img', 'in', '--fs', 'spiffs', '--size', '64K')
    assert 'up to 30 bytes: of the whole path' in flashport('info', 's.img').stdout.decode()
    flashport('put', 's.img', 'in/a', '/sub/' + 'n' * 26)
    said = flashport('put', 's.img', 'in/a', '/sub/' + 'n' * 27, ok=(1,)).stderr.decode()
    assert f'"sub/{"n" * 27}" is no name on spiffs: it has 31 bytes, and 30 are the most' in said, said


def test_spiffs_has_data_where_content_is(here):
    """A file of three quarters of the volume, whose index pages lie among its data in every block."""
    (here / 'in' / 'a').write_bytes(bytes(range(251)) * 190)
    flashport('create', 's.img', 'in', '--fs', 'spiffs', '--size', '64K')
    blocks = json.loads(flashport('analyze', 's.img', '--json').stdout)['blocks']
    assert blocks['data'] >= 47690 // (15 * 251), blocks
