# SPDX-License-Identifier: MIT
"""Compiling and linking for a Cortex-M0 as a firmware would, and what came out.

Linked(...).parts says what of flash and static RAM comes from where: by the
linker's own map, so that only what was needed counts.
"""
import collections
import concurrent.futures
import dataclasses
import glob
import os
import re
import subprocess
import sys

GCC = 'arm-none-eabi-gcc'
CPU = ['-mcpu=cortex-m0', '-mthumb']
FLAGS = [*CPU, '-std=c11', '-Os', '-ffreestanding', '-ffunction-sections', '-fdata-sections', '-fstack-usage',
         '-DFP_ADDR32=1', '-DFP_CRC32_SMALL=1', '-DFP_FAT_SMALL=1', '-DFP_LFS_SMALL=1',
         '-DFP_ASSERT(c)=((void)0)', '-I.']
ALONE = ['-isystem', 'core/freestanding']  # no libc at all
KB = 1024


@dataclasses.dataclass
class Configuration:
    """A whole firmware: tests/size/firmware.c with these limits, and the goals in bytes: of its flash for what of ours is the
    agent's and the driver's, of its static RAM for all of it."""
    driver: str
    limits: dict
    flash_goal: float
    ram_goal: float

    def counted(self):
        """the parts that the goal for flash is about; the core's VFS, front end and digests, and the C library, are told beside them"""
        return ['agent', 'link', 'messages', self.driver]


# A device that is a few files and a line: docs/porting.md says what each costs.
SMALL = {'FP_AGENT_REQUESTS': 2, 'FP_AGENT_UPLOADS': 1, 'FP_AGENT_ALL': 0, 'FP_AGENT_IMAGES': 1, 'FP_AGENT_RESTORE': 1, 'FP_FS_PROBE': 0, 'FP_FS_CHECK': 0, 'FP_FS_FORMAT': 0, 'FP_FS_BLOCKS': 0, 'FP_LFS_EXTRAS': 0, 'FP_LINK_STAGE': 32, 'FP_LINK_STATS': 0, 'FP_LINK_HOST': 0, 'FP_LINK_STALL': 0, 'FP_LINK_ADAPTS': 0, 'FP_AGENT_OUTCOMES': 4,
         'FP_MESSAGE_SMALL': 1, 'FP_MESSAGE_EXTRAS': 0, 'FP_MESSAGE_TEXT_MAX': 16, 'FP_MESSAGE_DIGESTS': 4, 'FP_MESSAGE_RUNS': 8}
CONFIGURATIONS = {
    # Names of 12 bytes; a file is a block, and so is the workspace for each that is open.
    'with-minifs': Configuration('minifs', {
        **SMALL, 'FP_NAME_MAX': 36, 'FP_PATH_MAX': 48, 'FP_MESSAGE_PATH_MAX': 48, 'FP_MESSAGE_NAME_MAX': 36, 'FP_FILE_STATE': 24,
        'FP_DIR_STATE': 16, 'FRAME_MAX': 512, 'RX_SIZE': 'FP_LINK_RX_MIN(512)', 'TX_SIZE': 'FP_LINK_TX_MIN(512)', 'BLOCK_SIZE': 256,
        'WORKSPACE': 1104, 'CACHE_SIZE': 64, 'OPTIONS': 'NULL'}, 20 * KB, 4 * KB),
    'with-littlefs': Configuration('littlefs', {
        **SMALL, 'FP_NAME_MAX': 64, 'FP_PATH_MAX': 96, 'FP_MESSAGE_PATH_MAX': 96, 'FP_MESSAGE_NAME_MAX': 64, 'FP_FILE_STATE': 112,
        'FP_DIR_STATE': 32, 'FRAME_MAX': 1024, 'RX_SIZE': 2 * (1024 + 48), 'TX_SIZE': 'FP_LINK_TX_MIN(1024)', 'BLOCK_SIZE': 1024,
        'WORKSPACE': 2456, 'CACHE_SIZE': 64, 'OPTIONS': '"entries=16,addresses=4,lookahead=8"'}, 36 * KB, 8 * KB),
}

# What an object belongs to, by its path; the first that fits.
PARTS = [('firmware', 'tests/size/*'), ('agent', 'device-agent/*'), ('messages', 'proto/message.*'), ('messages', 'proto/codec.*'), ('link', 'proto/*'), ('minifs', 'core/fs/minifs/*'), ('littlefs', 'core/fs/littlefs/*'),
         ('compiler and C library', 'core/freestanding/*'), ('core', 'core/*'), ('compiler and C library', '*')]


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def compile_one(folder, source, options, name=None):
    """the object, folder/<path of the source>.o, with what its functions take of the stack beside it"""
    out = f'{folder}/{name or os.path.splitext(source)[0]}.o'
    os.makedirs(os.path.dirname(out), exist_ok=True)
    run(GCC, *FLAGS, *options, '-c', source, '-o', out)
    return out


def compile_all(jobs):
    """compile_one for each of [(folder, source, options, name)], on all CPUs that are ours"""
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return list(pool.map(lambda job: compile_one(*job), jobs))


class Linked:
    """An ELF of these objects from `entry` on, without what is not needed, and its map."""

    def __init__(self, out, objects, entry, options=()):
        self.elf, self.objects = out, objects
        self.root = os.path.dirname(out)
        link = [GCC, *CPU, '-nostartfiles', '-Wl,--gc-sections', '-Wl,--emit-relocs', '-T', 'tests/size/firmware.ld', f'-Wl,-e,{entry}',
                f'-Wl,-u,{entry}', f'-Wl,-Map={out}.map', *objects, '-o', out, *options]
        made = subprocess.run(link, capture_output=True, text=True)
        if made.returncode:
            sys.exit(f'size: {entry} does not link:\n{made.stderr}')

    def sections(self):
        """(section, address, size, the path of its object) of each piece that is in the ELF"""
        with open(f'{self.elf}.map') as file:
            text = file.read().split('Linker script and memory map', 1)[1]
        text = re.sub(r'^( \.\S+)\n +0x', r'\1 0x', text, flags=re.MULTILINE)
        for name, address, size, path in re.findall(r'^ (\.\S+|COMMON) +0x(\w+) +0x(\w+) (\S.*)$', text, re.MULTILINE):
            if int(size, 16) and re.match(r'\.(text|rodata|data|bss)|COMMON', name):
                path = os.path.relpath(path, self.root) if path.startswith(self.root + '/') else os.path.basename(path)
                yield name, int(address, 16), int(size, 16), path

    def total(self):
        """(flash, static RAM)"""
        listed = dict(re.findall(r'^(\.\w+) +(\d+)', run('arm-none-eabi-size', '-A', self.elf), re.MULTILINE))
        text, data, bss = (int(listed.get(name, 0)) for name in ('.text', '.data', '.bss'))
        return text + data, data + bss

    def parts(self, of):
        """{part: [flash, RAM]}; of(path) names the part. Bytes between pieces are its own part."""
        found = collections.defaultdict(lambda: [0, 0])
        for name, _, size, path in self.sections():
            found[of(path)][0] += size if not name.startswith(('.bss', 'COMMON')) else 0
            found[of(path)][1] += size if not name.startswith(('.text', '.rodata')) else 0
        rest = [all_of - sum(part[i] for part in found.values()) for i, all_of in enumerate(self.total())]
        if any(rest):
            found['alignment, merged texts'] = rest
        return found

    def variables(self):
        """{name: bytes} of what lies in RAM"""
        return {name: int(size, 16) for size, name in re.findall(r'^\w+ (\w+) [bBdD] (\S+)$', run('arm-none-eabi-nm', '-S', self.elf), re.MULTILINE)}


def generate_messages(folder):
    os.makedirs(f'{folder}/generated', exist_ok=True)
    run('/usr/bin/python3', '/usr/bin/nanopb_generator.py', '--quiet', '-I', '.', '-D', f'{folder}/generated', 'proto/flashport.proto')
    run('/usr/bin/python3', 'proto/bounds.py', f'{folder}/generated/proto/flashport.pb.h')


def options_of(folder, name, nanopb):
    config = CONFIGURATIONS[name]
    return ['-I', f'{folder}/generated', '-I', nanopb, '-DPB_NO_ERRMSG=1', f'-DDRIVER=fp_fs_{config.driver}',
            *(f'-D{limit}={value}' for limit, value in config.limits.items())]


def build(folder, name, nanopb):
    """The whole firmware of a configuration, Linked."""
    options = options_of(folder, name, nanopb)
    driver = f'core/fs/{CONFIGURATIONS[name].driver}'
    ours = [s for pattern in ('core/*/*.c', 'core/*.c', f'{driver}/*.c', 'proto/*.c', 'device-agent/*.c')
            for s in sorted(glob.glob(pattern)) if not s.startswith('core/host/')]
    where = f'{folder}/{name}'
    jobs = [(where, source, options, None) for source in [*ours, 'tests/size/firmware.c']]
    return Linked(f'{where}/firmware.elf', compile_all(jobs), 'main', ['--specs=nano.specs'])


def inside(folder, name, nanopb):
    """{member: bytes} of struct fp_agent"""
    path = compile_one(folder, 'tests/size/inside.c', options_of(folder, name, nanopb))
    listed = run('arm-none-eabi-nm', '-S', path)
    return {member: int(size, 16) for size, member in re.findall(r'^\w+ (\w+) B of_(\w+)$', listed, re.MULTILINE)}
