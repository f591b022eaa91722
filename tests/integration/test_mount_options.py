# SPDX-License-Identifier: MIT
"""The options of a mount: what is not known or malformed is refused, with what there is, before anything is done."""
import pytest



@pytest.fixture(scope='module')
def volume(bed):
    """mount(options, fs=None) -> the reply; the volume is unmounted before, and mounted again as it was at the end."""
    url = bed.api('/devices/dev/volumes/flash')

    def mount(options, **more):
        assert bed.http.post(url, json={'action': 'unmount'}).status_code == 204
        return bed.http.post(url, json={'action': 'mount', 'options': options, **more})
    yield mount
    assert mount('ro=0').status_code == 204


def is_writable(bed):
    return bed.http.put(bed.api('/devices/dev/fs/flash/probe'), data=b'x').status_code in (201, 204)


@pytest.mark.parametrize('options', ['ro', 'readonly=1', 'ro=maybe', 'ro=2', 'bogus=1', 'ro=1,bogus=1', 'ro=1;x', {'bogus': True},
                                     {'ro': 'yes'}, 'block_cycles=8', 'name_max=0'])
@pytest.mark.parametrize('more', [{}, {'fs': 'littlefs'}, {'fs': 'auto'}])
def test_what_is_not_known_is_refused(bed, volume, options, more):
    reply = volume(options, **more)
    assert reply.status_code == 400 and any(word in reply.json()['detail'] for word in ('ro=0|1', 'name_max=1..255')), reply.text
    assert not next(v for v in bed.device('dev')['volumes'] if v['path'] == '/flash')['mounted']


@pytest.mark.parametrize('options, writable', [('ro=1', False), ({'ro': True}, False), ('ro=0', True), ({'ro': False}, True),
                                               ('', True), ({'mdirs': 4, 'ro': 1}, False), ('entries=100,block_size=4K', True)])
def test_what_is_known_is_taken(bed, volume, options, writable):
    reply = volume(options)
    assert reply.status_code == 204, reply.text
    assert is_writable(bed) == writable


def test_what_only_the_firmware_knows_is_left_to_it(bed, volume):
    reply = volume('bogus=1', fs='homemade')
    assert reply.status_code != 400 and 'ro=0|1' not in reply.text, reply.text
