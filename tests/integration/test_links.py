# SPDX-License-Identifier: MIT
"""Links: two devices of one id."""
import os
import subprocess

from bed import BIN, wait_for
from conftest import add_agent


def device(bed, name='dev'):
    return bed.http.get(bed.api(f'/devices/{name}')).json()


def link(bed, spec):
    return next(link for link in bed.http.get(bed.api('/devices')).json()['links'] if link['name'] == spec)


def cli(bed, *args, **options):
    env = {**os.environ, 'FLASHPORT_SOCKET': str(bed.dir / 'd.sock')}
    return subprocess.run([BIN / 'flashport', *args], env=env, capture_output=True, text=True, timeout=60, **options)


# ---- one id twice ----

def test_a_second_device_of_one_id_is_seen_and_left_alone(fresh):
    """Two boards were given one id: files go to the one that was there first, and both are named."""
    first, second = fresh.dir / 'first.sock', fresh.dir / 'second.sock'
    agents = {}
    for where in (first, second):
        flash = fresh.dir / f'{where.stem}.img'
        agents[where] = fresh.process(where.stem, 'flashport-agent', '--id', 'dev', '--storage', f'flash0={flash},block=4096,count=32',
                                      '--mount', '/flash=flash0:littlefs', '--format', 'littlefs', '--listen', f'unix:{where}')
        wait_for(where, where.exists)
    fresh.links = [f'unix:{first}', f'unix:{second}']
    fresh.start_daemon()
    fresh.online('dev')
    wait_for('the conflict', lambda: device(fresh).get('conflict'))
    described = device(fresh)
    served, other = described['link']['name'], described['conflict']
    assert {served, other} == set(fresh.links) and described['state'] == 'online'
    assert link(fresh, other)['state'] == 'conflict' and served in link(fresh, other)['reason']
    assert f'in conflict with {other}' in cli(fresh, 'devices').stdout
    assert other in cli(fresh, 'devices', 'dev').stdout

    images = {spec: fresh.dir / f'{os.path.basename(spec)[:-5]}.img' for spec in fresh.links}
    before = {spec: image.read_bytes() for spec, image in images.items()}
    assert fresh.http.put(fresh.api('/devices/dev/fs/flash/x'), data=b'for one of them').status_code == 201
    assert images[other].read_bytes() == before[other] and images[served].read_bytes() != before[served]

    # The one that served leaves: the device is where the other is, and nothing is in conflict.
    agents[first if str(first) in served else second].stop()
    wait_for('the other', lambda: (d := device(fresh))['link']['name'] == other and d['state'] == 'online')
    assert 'conflict' not in device(fresh)
    assert fresh.http.get(fresh.api('/devices/dev/fs/flash/x')).status_code == 404
