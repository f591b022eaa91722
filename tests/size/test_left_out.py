# SPDX-License-Identifier: MIT
"""Each part of the agent that can be left out, alone: the firmware still links, and is smaller."""
import glob
import re

import firmware
import pytest

LIMITS = {**firmware.CONFIGURATIONS['with-minifs'].limits, 'FP_AGENT_ALL': 1, 'FP_MESSAGE_EXTRAS': 1, 'FP_FS_CHECK': 1, 'FP_FS_FORMAT': 1, 'FP_LINK_STATS': 1, 'FP_LINK_STALL': 1,
          'FP_LINK_HOST': 1, 'FP_LINK_ADAPTS': 1}
# What another part takes goes with it.
WITH = {'FP_AGENT_IMAGES': ['FP_AGENT_RESTORE'], 'FP_LINK_STATS': ['FP_AGENT_STATS', 'FP_AGENT_RATES']}


def parts():
    with open('device-agent/parts.h') as file:
        return [*re.findall(r'^#define (FP_AGENT_\w+) +\(?FP_AGENT_(?:ALL|EXTRA)\b(?! && FP_M)', file.read(), re.MULTILINE), 'FP_LINK_STALL', 'FP_LINK_HOST', 'FP_LINK_ADAPTS',
                'FP_LINK_STATS', 'FP_FS_FORMAT']


class Whole:
    """The firmware with all of it in; -O1, as it is compiled often."""

    def __init__(self, folder):
        self.folder = folder
        firmware.generate_messages(folder)
        self.options = ['-O1', '-I', f'{folder}/generated', '-I', 'build/debian/nanopb', '-DPB_NO_ERRMSG=1', '-DDRIVER=fp_fs_minifs',
                        *(f'-D{name}={value}' for name, value in LIMITS.items() if name not in ('FP_AGENT_IMAGES', 'FP_AGENT_RESTORE'))]
        core = [s for pattern in ('core/*/*.c', 'core/*.c', 'core/fs/minifs/*.c') for s in sorted(glob.glob(pattern)) if not s.startswith('core/host/')]
        # what has options of its own, by the beginning of their names
        self.parts = {'FP_FS': core, 'FP_LINK': sorted(glob.glob('proto/*.c'))}
        self.objects = {prefix: self.compile(f'{folder}/{prefix}', sources, []) for prefix, sources in self.parts.items()}
        self.size = self.link('whole', []).total()[0]

    def compile(self, folder, sources, options):
        return firmware.compile_all([(folder, s, [*self.options, *options], None) for s in sources])

    def link(self, name, options):
        where = f'{self.folder}/{name}'
        agent = self.compile(where, [*sorted(glob.glob('device-agent/*.c')), 'tests/size/firmware.c'], options)
        others = [o for prefix, sources in self.parts.items()
                  for o in (self.compile(where, sources, options) if name.startswith(prefix) else self.objects[prefix])]
        return firmware.Linked(f'{where}/firmware.elf', [*agent, *others], 'main', ['--specs=nano.specs'])


@pytest.fixture(scope='module', name='whole')
def whole_of(tmp_path_factory):
    return Whole(str(tmp_path_factory.mktemp('left_out')))


@pytest.mark.parametrize('part', parts())
def test_a_part_can_be_left_out_alone(whole, part):
    out = [f'-D{name}=0' for name in [part, *WITH.get(part, [])]]
    assert whole.link(part, out).total()[0] < whole.size
