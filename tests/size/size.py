# SPDX-License-Identifier: MIT
"""What flashport costs a small device: flash, static RAM and stack, for Cortex-M0 at -Os.

Drivers      core/fs/<name>, compiled as a firmware would (32-bit addresses, assertions out) and linked alone with unused sections
             dropped: text with read-only data, which is all there is. The read-only one is compiled with FP_READONLY=1 from the
             first list of sources in its CMakeLists.txt. What a firmware may leave out, by a table of its own or by a macro
             of core/config.h, is counted by itself. So are adapters between a filesystem and its medium, and each way of the link's LZ4.
Firmware     what main() in firmware.c needs, linked as a firmware is: the program and what its variables begin with are flash, the
             variables static RAM; by the linker's map, part by part.
Stack        of the deepest chain of calls, by stack.py: for a driver or adapter what itself takes of it; for a part of a firmware
             that of the deepest chain which begins in it; for a firmware all of it.

The goals are those of the project's issues. ceilings.json holds every figure; --check fails where one has grown, --record writes
it anew: what costs more is said in the commit that makes it so.

usage: ./dev size [NAME...]     with NAME only that, and the deepest chains
       ./dev size --record
"""
import argparse
import dataclasses
import fnmatch
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

import calls
import firmware
import stack
from firmware import ALONE, CONFIGURATIONS, KB, PARTS, compile_all

CEILINGS = 'tests/size/ceilings.json'


@dataclasses.dataclass
class Driver:
    """core/fs/<name>, with tables fp_fs_<name> and fp_fs_<name>_ro; sizes in bytes, 0: there is no goal."""
    name: str
    goal: float
    read_only_goal: float
    # what does not count, by the files that it is, or by the macro that leaves it out
    extras: dict


# What of every driver's table an option leaves out.
TABLE = {'check': 'FP_FS_CHECK', 'blocks': 'FP_FS_BLOCKS', 'format': 'FP_FS_FORMAT', 'probe': 'FP_FS_PROBE'}
DRIVERS = [
    # Measured as the reference is: format in, the probe out, and what it does not have either.
    Driver('littlefs', 15 * KB, 5 * KB, {'extras': 'FP_LFS_EXTRAS', 'blocks': 'FP_FS_BLOCKS', 'check': 'FP_FS_CHECK',
                                         'probe': 'FP_FS_PROBE'}),
    Driver('fat', 9 * KB, 0, TABLE),
    Driver('spiffs', 16 * KB, 0, TABLE),
    Driver('minifs', 2.5 * KB, 0, TABLE),
    Driver('bonsai', 5 * KB, 0, {**TABLE, 'raw view': 'FP_BON_RAW'}),
    # a firmware gives a table of regions; a text of them is what hosts have
    Driver('raw', 1 * KB, 0, {'text': 'options', 'content': 'content'}),
]
# folder, file, goal; files that it can do without (its own prefix and _) are counted by themselves
PIECES = [('core/bdev', 'mbr', 1 * KB), ('core/bdev', 'sector', 1.5 * KB), ('core/bdev', 'mpy', 0),
          ('proto', 'lz4_decode', 0), ('proto', 'lz4_encode', 0)]
STACK_GOAL = 1 * KB  # of every driver and adapter


class Figures:
    """{name: bytes}, in the order in which they are shown; some have a goal, some a chain of calls."""

    def __init__(self):
        self.bytes, self.goals, self.chains = {}, {}, {}

    def add(self, name, size, goal=0):
        self.bytes[name] = size
        if goal:
            self.goals[name] = goal

    def add_stack(self, name, deepest, goal=0):
        self.add(name, deepest[0], goal)
        self.chains[name] = deepest[1]


# --- drivers and pieces ------------------------------------------------------

def name_of(path):
    return os.path.splitext(os.path.basename(path))[0]


def without(driver, but=None):
    """the options that leave out what has a macro, but this one"""
    return [f'-D{macro}={int(macro == but)}' for macro in driver.extras.values() if is_macro(macro)]


def is_macro(extra):
    return extra.startswith('FP_')


def is_extra(path, patterns):
    return any(fnmatch.fnmatch(name_of(path), pattern) for pattern in patterns)


def reading_sources(driver):
    with open(f'core/fs/{driver}/CMakeLists.txt') as file:
        listed = re.search(r'(?:set\(reading|target_sources\(fp_core PRIVATE)\s([^)]*)\)', file.read())
    return [f'core/fs/{driver}/{name}' for name in listed.group(1).split()]


def compile_alone(folder, sources, options=()):
    return compile_all([(folder, source, [*ALONE, *options], None) for source in sources])


def link_alone(folder, objects, symbols):
    """What these symbols need of the objects; everything else is somebody else's."""
    needs = [f'-Wl,-u,{symbol}' for symbol in symbols]
    return firmware.Linked(f'{folder}/{symbols[0]}.elf', objects, symbols[0],
                           ['-nostdlib', '-Wl,--unresolved-symbols=ignore-all', '-Wl,--no-warn-mismatch', *needs])


def size_alone(folder, objects, symbol):
    flash, ram = link_alone(folder, objects, [symbol]).total()
    if ram:
        sys.exit(f'size: {symbol} has {ram} bytes of static RAM; the core may have none')
    return flash


def size_without(driver, objects, symbol, but=None):
    """of these objects, or where macros leave extras out, of others; but one extra is in"""
    files = [extra for extra in driver.extras.values() if not is_macro(extra)]
    with tempfile.TemporaryDirectory() as folder:
        if without(driver):
            objects = compile_alone(folder, sorted(glob.glob(f'core/fs/{driver.name}/*.c')), without(driver, but))
        most = [o for o in objects if not is_extra(o, files)]
        return size_alone(folder, [*most, *(o for o in objects if but in files and is_extra(o, [but]))], symbol)


def add_driver(figures, driver):
    with tempfile.TemporaryDirectory() as folder:
        objects = compile_alone(folder, sorted(glob.glob(f'core/fs/{driver.name}/*.c')))
        symbol = f'fp_fs_{driver.name}'
        size = size_without(driver, objects, symbol)
        figures.add(driver.name, size, driver.goal)
        for what, extra in driver.extras.items():
            figures.add(f'{driver.name} with {what}', size_without(driver, objects, symbol, extra) - size)
        program = stack.Program(link_alone(folder, objects, [symbol]), calls, externals=True)
        program.check(entered=symbol)
        figures.add_stack(f'{driver.name} stack', program.deepest_within(lambda f: f.where), STACK_GOAL)
    with tempfile.TemporaryDirectory() as folder:
        sources = [s for s in reading_sources(driver.name) if not is_extra(s, driver.extras.values())]
        objects = compile_alone(folder, sources, ['-DFP_READONLY=1', *without(driver)])
        figures.add(f'{driver.name} read-only', size_alone(folder, objects, f'fp_fs_{driver.name}_ro'), driver.read_only_goal)


def add_piece(figures, where, name, goal):
    """all of it, whether a firmware needs all or not"""
    with tempfile.TemporaryDirectory() as folder:
        objects = compile_alone(folder, sorted([f'{where}/{name}.c', *glob.glob(f'{where}/{name}_*.c')]))
        for path in objects:
            listed = firmware.run('arm-none-eabi-size', '-A', path)
            size = sum(int(n) for n in re.findall(r'^\.(?:text|rodata)\S*\s+(\d+)', listed, re.MULTILINE))
            figures.add(name if name_of(path) == name else f'{name} with {name_of(path)}', size, goal if name_of(path) == name else 0)
        defined = firmware.run('arm-none-eabi-nm', '--defined-only', '-g', *objects)
        symbols = re.findall(r' [TR] (\S+)$', defined, re.MULTILINE)
        program = stack.Program(link_alone(folder, objects, symbols), calls, externals=True)
        figures.add_stack(f'{name} stack', program.deepest_within(lambda f: f.where), STACK_GOAL)


# --- whole firmware ----------------------------------------------------------

def part_of(path):
    return next(part for part, pattern in PARTS if fnmatch.fnmatch(path, pattern))


def add_firmware(figures, name, folder, nanopb):
    config = CONFIGURATIONS[name]
    linked = firmware.build(folder, name, nanopb)
    flash, ram = linked.total()
    parts = linked.parts(part_of)
    counted = config.counted()
    figures.add(f'{name} flash', flash)
    figures.add(f'{name} flash: {", ".join(counted)}', sum(parts[part][0] for part in counted), config.flash_goal)
    for part in sorted(parts, key=lambda p: -parts[p][0]):
        figures.add(f'{name} flash: {part}', parts[part][0])
    figures.add(f'{name} RAM', ram, config.ram_goal)
    for variable, size in sorted(linked.variables().items(), key=lambda v: -v[1]):
        figures.add(f'{name} RAM: {variable}', size)
        if variable == 'agent':
            for member, inside in firmware.inside(folder, name, nanopb).items():
                figures.add(f'{name} RAM: agent, {member}', inside)
    program = stack.Program(linked, calls)
    program.check()
    figures.add_stack(f'{name} stack', program.deepest(program.named('main')))
    for part in ('agent', 'link', 'messages'):
        figures.add_stack(f'{name} stack: {part}', program.deepest_of(lambda f: part_of(f.where) == part))


def measure(names, nanopb):
    figures = Figures()
    for driver in DRIVERS:
        if driver.name in names:
            add_driver(figures, driver)
    for where, name, goal in PIECES:
        if name in names:
            add_piece(figures, where, name, goal)
    with tempfile.TemporaryDirectory() as folder:
        for name in set(CONFIGURATIONS) & set(names):
            firmware.generate_messages(folder)
        for name in CONFIGURATIONS:
            if name in names:
                add_firmware(figures, name, folder, nanopb)
    return figures


# --- beside the parent -------------------------------------------------------

def git(*command):
    return subprocess.run(['git', *command], capture_output=True, text=True)


def parent():
    """what the files here were made from: HEAD where they are not as committed, else what came before it; None: nothing did"""
    changed = git('status', '--porcelain').stdout.strip()
    found = git('rev-parse', '--verify', '--quiet', 'HEAD' if changed else 'HEAD~1')
    return found.stdout.strip() or None


def figures_of(commit, nanopb):
    """Those of a commit by its own tool, {} if it has none; kept in build/size"""
    kept = f'build/size/{commit}.json'
    if not os.path.exists(kept):
        os.makedirs('build/size', exist_ok=True)
        with tempfile.TemporaryDirectory() as tree:
            archive = subprocess.run(['git', 'archive', commit, 'core', 'proto', 'device-agent', 'tests/size'], capture_output=True)
            if archive.returncode:
                return {}  # it is from before tests/size
            subprocess.run(['tar', '-x', '-C', tree], input=archive.stdout, check=True)
            said = subprocess.run([sys.executable, 'tests/size/size.py', '--json', '--nanopb', os.path.abspath(nanopb)], cwd=tree,
                                  stdout=subprocess.PIPE, text=True)
        if said.returncode:
            return {}
        with open(kept, 'w') as file:
            file.write(said.stdout)
    with open(kept) as file:
        return json.load(file)


def verdict(size, goal):
    if not goal:
        return ''
    return f'goal {goal / KB:g} KB: ' + ('met' if size <= goal else f'MISSED by {size - goal:,.0f}')


def show(figures, before, names):
    """names: of those asked for; their chains are shown, too"""
    print(f'{"":44}{"now":>9}' + (f'{"parent":>9}{"change":>8}' if before else ''))
    for name, size in figures.bytes.items():
        line = f'{name:44}{size:>9,}'
        if before:
            old = before.get(name)
            line += f'{old:>9,}' if old is not None else f'{"-":>9}'
            line += f'{size - old:>+8,}' if old not in (None, size) else f'{"":8}'
        print(f'{line}  {verdict(size, figures.goals.get(name))}'.rstrip())
        if names and name in figures.chains:
            for function in figures.chains[name]:
                print(f'{function.frame:>50,}  {function}')
    missed = sum(figures.bytes[name] > goal for name, goal in figures.goals.items())
    print(f'{missed} of {len(figures.goals)} goals are missed' if missed else 'all goals are met')


def grown(figures, ceilings):
    """sentences of what is above its ceiling, or has none"""
    for name, size in figures.items():
        if name not in ceilings:
            yield f'{name}: {size:,} bytes, and no ceiling'
        elif size > ceilings[name]:
            yield f'{name}: {size:,} bytes, {size - ceilings[name]:,} above its ceiling'


def check(figures):
    with open(CEILINGS) as file:
        ceilings = json.load(file)
    found = list(grown(figures.bytes, ceilings))
    for line in found:
        print(line, file=sys.stderr)
    if found:
        sys.exit('size: say in the commit why it costs more, and record it: ./dev size --record')
    lower = sum(size < ceilings[name] for name, size in figures.bytes.items())
    print('no figure is above its ceiling' + (f'; {lower} are below, ./dev size --record lowers these' if lower else ''))


def arguments(known):
    parser = argparse.ArgumentParser(prog='./dev size', description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('name', nargs='*', help=f'one of {", ".join(known)}; else all of them')
    parser.add_argument('--check', action='store_true', help='fail where a figure is above its ceiling')
    parser.add_argument('--record', action='store_true', help='these figures are the ceilings from now on')
    parser.add_argument('--json', action='store_true', help='the figures and nothing else')
    parser.add_argument('--nanopb', default='build/debian/nanopb', help="the folder of nanopb's C sources")
    args = parser.parse_args()
    if set(args.name) - set(known):
        parser.error(f'not known: {", ".join(sorted(set(args.name) - set(known)))}; there are: {", ".join(known)}')
    if args.name and (args.check or args.record):
        parser.error('--check and --record take no names: a ceiling is of every figure')
    return args


def main():
    known = [*(d.name for d in DRIVERS), *(name for _, name, _ in PIECES), *CONFIGURATIONS]
    args = arguments(known)
    try:
        figures = measure(args.name or known, args.nanopb)
    except stack.Unsound as error:
        sys.exit(f'size: {error}')
    if args.json:
        return print(json.dumps(figures.bytes, indent=1))
    if args.record:
        with open(CEILINGS, 'w') as file:
            file.write(json.dumps(figures.bytes, indent=1) + '\n')
    commit = parent()
    before = figures_of(commit, args.nanopb) if commit else {}
    show(figures, before, args.name)
    if not before:
        print(f'no parent beside it: {commit[:12] + " has no figures of its own" if commit else "this clone has none"}')
    if args.check:
        check(figures)


if __name__ == '__main__':
    main()
