# SPDX-License-Identifier: MIT
"""What `flashport image` is told on its command line and cannot be right: it says what would be, and does nothing."""
import pytest

from images import content, flashport

pytestmark = pytest.mark.images

WRONG = [  # what is typed (O: the image to be made, I: one that is there, D: a folder), what the sentence names
    ('create O D --fs minifs --opt version=2', 'version'),          # nothing would open it
    ('create O D --fs minifs --opt bigg=1', 'big=0|1'),
    ('create O D --fs spiffs --opt magic=maybe', 'magic=0|1'),
    ('create O D --fs spiffs --opt id_bytes=3', 'id_bytes=2|4'),
    ('create O D --fs fat --opt clusters=512', 'cluster=512..65536'),
    ('create O D --fs fat --opt bits=8', 'bits=12|16|32'),
    ('create O D --fs bonsai --opt start=here', 'start=0..4294967295'),
    ('create O D --opt name_max=1000', 'name_max=1..255'),          # its names could not be read back
    ('create O D --opt nam_max=9', 'name_max=1..255'),
    ('create O D --fs ext4 --opt a=1', 'littlefs, fat'),
    ('ls I --opt zone=60', 'block_cycles'),                         # of a FAT; this is a littlefs
    ('ls I --opt bits=16', 'made anew'),
    ('ls I --fs littlefs --opt version=2.1', 'made anew'),
    ('put I D /x --opt blok_cycles=7', 'blok_cycles'),
    ('ls I --fs raw --opt a=0+8K,b=4K+8K', 'b: overlaps a'),
    ('ls I --fs raw --opt a=0+8Q', 'NAME=OFFSET+SIZE'),
    ('convert I O --fs fat --from littlefs,blok_size=4096', 'blok_size'),
    ('convert I O --fs fat --from littlefs,block_size=many', 'block_size'),
    ('convert I O --fs fat --from ext4,a=1', 'littlefs, fat'),
    ('ls I --block-size 12x', '--block-size 12x'),
    ('ls I --offset -1', '--offset -1'),
    ('create O D --size 0', '--size 0'),
    ('create O D --prog-size 8G', '--prog-size 8G'),
    ('diff I I --b-volume none', '--b-volume none'),
]


@pytest.mark.parametrize('typed,word', WRONG, ids=[w[0] for w in WRONG])
def test_what_cannot_be_right_is_refused(tmp_path, typed, word):
    there, made, folder = tmp_path / 'there.img', tmp_path / 'made.img', tmp_path / 'in'
    folder.mkdir()
    flashport('create', there, folder, '--size', '32K')
    before = there.read_bytes()
    names = {'I': there, 'O': made, 'D': folder}
    said = flashport(*[names.get(w, w) for w in typed.split()], ok=(2,)).stderr.decode()
    assert word in said and said.startswith('flashport: ')
    assert there.read_bytes() == before and sorted(p.name for p in tmp_path.iterdir()) == ['in', 'there.img']


def test_sizes_take_a_letter_everywhere(tmp_path):
    data = content('flash', 32 * 1024)
    image = tmp_path / 'flash.bin'
    image.write_bytes(data)
    regions = ['--fs', 'raw', '--opt', 'boot=0+4K:ro,app=0x1000+8K,rest=12K+20K']
    assert flashport('cat', image, 'app', *regions).stdout == data[4096:12 * 1024]
    (tmp_path / 'in').mkdir()
    (tmp_path / 'in' / 'file').write_bytes(b'file')
    card = tmp_path / 'card.img'
    flashport('create', card, tmp_path / 'in', '--fs', 'fat', '--size', '1M', '--opt', 'cluster=4K')
    assert card.read_bytes()[13] == 8, 'sectors of 512 in a cluster'
    new = tmp_path / 'new.img'
    flashport('convert', card, new, '--fs', 'spiffs', '--from', 'fat,block_size=512,zone=60', '--size', '64K', '--lossy')
    assert flashport('ls', new).stdout == b'/file\n'
