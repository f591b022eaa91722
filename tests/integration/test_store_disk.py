# SPDX-License-Identifier: MIT
"""What the store takes of its disk, and what is left of it when that is full."""
from conftest import add_agent

MIB = 1 << 20


def log_sizes(bed):
    return [(bed.dir / 'store' / f'{name}.db-wal').stat().st_size for name in ('store', 'meta')]


def test_the_log_moves_into_the_databases(fresh):
    """A backup of unchanged flash logs two pages of 64 KiB, and some of 4 KiB of its job: forty of them, five and two MiB."""
    add_agent(fresh, 'dev', 'unix')
    fresh.start_daemon()
    fresh.online('dev')
    for _ in range(40):
        assert fresh.backup('dev')['state'] == 'done'
        assert max(log_sizes(fresh)) < 2 * MIB
