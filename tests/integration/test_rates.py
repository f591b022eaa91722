# SPDX-License-Identifier: MIT
"""The rate of a line is raised where both ends and the line stand it. The line (linksim --tty-rates) carries each
direction at the rate that its sender's port is set to; at another rate than the receiver's it carries noise."""
import os
import re
import subprocess
import time

import pytest
from bed import wait_for

RATES = '115200,230400,460800,921600'


def bench(bed, stands=3_000_000, rates=RATES, spec='@115200,max=921600', more=(), **options):
    bed.agent_process = bed.agent('dev', blocks=256, extra=[*(['--rates', rates] if rates else []), *more], **options)
    if not rates:
        subprocess.run(['stty', '-F', bed.dir / 'dev.pty', '115200'], check=True)
    near = bed.dir / 'near'
    line = bed.process('line', 'linksim', '--tty-rates', stands, '--quiet', f'tty:{bed.dir / "dev.pty"}', f'pty:{near}')
    wait_for(near, lambda: os.path.lexists(near))
    line.end = near
    bed.links = [f'serial:{near}{spec}']
    bed.start_daemon()
    bed.online('dev')
    return line


def rate(bed):
    return bed.http.get(bed.api('/devices/dev')).json()['link']['rate']


def round_trip(bed):
    content = os.urandom(rate(bed) // 16)
    url = bed.api('/devices/dev/fs/flash/file')
    assert bed.http.put(url, data=content).status_code in (201, 204)
    assert bed.http.get(url).content == content


def test_a_line_is_as_fast_as_it_may_be(fresh):
    bench(fresh)
    assert rate(fresh) == 921600
    round_trip(fresh)
    log = fresh.daemon.output()
    assert len(re.findall('online: id=dev', log)) == 1 and 'lost' not in log


def test_a_rate_that_does_not_carry_is_given_up_for_a_lower_one(fresh):
    bench(fresh, stands=460800)
    assert rate(fresh) == 460800
    assert re.findall(r'rate does not carry.* baud=(\d+)', fresh.daemon.output()) == ['921600']
    round_trip(fresh)
    assert len(re.findall('online: id=dev', fresh.daemon.output())) == 1     # in the same session


def test_a_line_that_stands_none_stays_as_it_was(fresh):
    bench(fresh, stands=115200, rates='115200,460800,921600')
    assert rate(fresh) == 115200
    assert re.findall(r'rate does not carry.* baud=(\d+)', fresh.daemon.output()) == ['921600', '460800']
    round_trip(fresh)


@pytest.mark.parametrize('options', [{'rates': None}, {'spec': '@115200'}, {'rates': '115200'},
                                     {'spec': '@115200,max=230400', 'rates': '115200,921600'}])
def test_without_a_rate_of_both_ends_nothing_is_raised(fresh, options):
    bench(fresh, **options)
    assert rate(fresh) == 115200
    round_trip(fresh)


def test_a_device_that_was_reset_begins_at_the_safe_rate(fresh):
    line = bench(fresh)
    assert rate(fresh) == 921600
    before = fresh.http.get(fresh.api('/devices/dev')).json()['epoch']
    line.stop()
    fresh.agent_process.kill()
    fresh.agent_process.restart()
    line.restart()
    wait_for('the reset device', lambda: (d := fresh.http.get(fresh.api('/devices/dev')).json())['epoch'] != before and
             d['state'] == 'online' and d['link']['rate'] == 921600, 60)
    round_trip(fresh)


def test_a_daemon_that_is_killed_finds_the_device_again(fresh):
    """It begins at the safe rate, where the device hears noise, and then goes itself."""
    bench(fresh)
    assert rate(fresh) == 921600
    fresh.daemon.kill()
    fresh.restart_daemon()
    fresh.online('dev', 60)
    wait_for('the rate', lambda: rate(fresh) == 921600)
    round_trip(fresh)


def test_a_line_stays_raised_while_only_the_device_speaks(fresh):
    """It would go back from a rate at which it hears nobody."""
    bench(fresh, more=['--console'], stdin=subprocess.PIPE)

    for _ in range(70):                                         # 7 s; it gives up after 5
        fresh.agent_process.child.stdin.write(b'tick\n')
        fresh.agent_process.child.stdin.flush()
        time.sleep(0.1)
    round_trip(fresh)
    assert rate(fresh) == 921600
    assert len(re.findall('online: id=dev', fresh.daemon.output())) == 1
