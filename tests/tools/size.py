# SPDX-License-Identifier: MIT
"""What a driver costs a small device: code for Cortex-M0 at -Os, and stack.

Its sources are compiled as a firmware would (32-bit addresses, assertions out)
and linked alone with unused sections dropped; what is counted is text with
read-only data; the read-only one is compiled with FP_READONLY=1 from the first
list of sources in its CMakeLists.txt, those that read. What a firmware may leave out,
by a table of its own, is counted by itself. Adapters between a filesystem and
its medium, and each way of the link's LZ4, are counted whole. The goals are those of the project's issues.

The stack is that of the deepest path of calls, from the compiler's own call
graph; what the block device below uses comes on top.

usage: ./dev size [NAME...]
"""
import dataclasses
import fnmatch
import glob
import os
import re
import subprocess
import sys
import tempfile

GCC = 'arm-none-eabi-gcc'
FLAGS = ['-std=c11', '-mcpu=cortex-m0', '-mthumb', '-Os', '-ffreestanding', '-ffunction-sections', '-fdata-sections',
         '-fcallgraph-info=su', '-DFP_ADDR32=1', '-DFP_CRC32_SMALL=1', '-DFP_FAT_SMALL=1', '-DFP_ASSERT(c)=((void)0)', '-I.', '-isystem', 'core/freestanding']
KB = 1024
STACK = 1024  # for everyone


@dataclasses.dataclass
class Driver:
    """core/fs/<name>, with tables fp_fs_<name> and fp_fs_<name>_ro; sizes in bytes, 0: there is no goal."""
    name: str
    goal: float
    read_only_goal: float = 0
    # what does not count, by the files that it is
    extras: dict = dataclasses.field(default_factory=lambda: {'check': 'check*', 'format': 'format*'})
    # functions that are called by their address, at the end of such calls
    callbacks: tuple = ()


DRIVERS = [
    # Measured as the reference is: format in, the probe out. That on the way to a callback (report in blocks.c) takes less than
    # what it stands beside, a read.
    Driver('littlefs', 15 * KB, 5 * KB, {'check': 'check*', 'probe': 'probe'}, ('fp_lfs_tally', 'stay_below')),
    Driver('fat', 9 * KB, 0, {'check': 'check*', 'format': 'format*', 'probe': 'probe'}),
    Driver('spiffs', 16 * KB, 0, {'check': 'check*', 'format': 'format*', 'probe': 'probe'}),
    # these two have but one size of block, or are told it: the probe is left out, too
    Driver('minifs', 2.5 * KB, 0, {'check': 'check', 'format': 'format', 'probe': 'probe'}),
    Driver('bonsai', 5 * KB, 0, {'check': 'check', 'format': 'format', 'probe': 'probe', 'raw view': 'raw'}),
    # a firmware gives a table of regions; a text of them is what hosts have
    Driver('raw', 1 * KB, 0, {'text': 'options', 'content': 'content'}),
]
# folder, file, what it is, goal; files that it can do without (its own prefix and _) are counted by themselves
PARTS = [('core/bdev', 'mbr', 'the adapter', 1 * KB), ('core/bdev', 'sector', 'the adapter', 1.5 * KB),
         ('core/bdev', 'micropython', 'the adapter', 0),
         ('proto', 'lz4_decode', 'of what comes', 0), ('proto', 'lz4_encode', 'of what goes', 0)]


def compile_one(folder, source, options=()):
    name = os.path.splitext(os.path.basename(source))[0]
    out = f'{folder}/{name}.o'
    subprocess.run([GCC, *FLAGS, *options, '-c', source, '-o', out, '-dumpbase', f'{folder}/{name}.c'], check=True)
    return name, out


def sources_of(driver, only_reading=False):
    """names of a driver's files"""
    folder = f'core/fs/{driver}'
    if only_reading and os.path.exists(f'{folder}/CMakeLists.txt'):
        with open(f'{folder}/CMakeLists.txt') as file:
            listed = re.search(r'(?:set\(reading|target_sources\(fp_core PRIVATE)\s([^)]*)\)', file.read())
        if listed:
            return [f'{folder}/{name}' for name in listed.group(1).split()]
    return sorted(glob.glob(f'{folder}/*.c'))


def linked_size(folder, objects, symbol):
    out = f'{folder}/{symbol}.elf'
    subprocess.run([GCC, '-mcpu=cortex-m0', '-mthumb', '-nostdlib', '-Wl,--gc-sections', f'-Wl,-e,{symbol}', f'-Wl,-u,{symbol}',
                    '-Wl,--unresolved-symbols=ignore-all', '-Wl,--no-warn-mismatch', *objects, '-o', out],
                   check=True, stderr=subprocess.DEVNULL)
    listed = subprocess.run(['arm-none-eabi-size', '-A', out], check=True, capture_output=True, text=True).stdout
    sections = {name: int(size) for name, size in re.findall(r'^(\.\w+)\s+(\d+)', listed, re.MULTILINE)}
    ram = sections.get('.data', 0) + sections.get('.bss', 0)
    if ram:
        sys.exit(f'size: {symbol} has {ram} bytes of static RAM; the core may have none')
    return sections.get('.text', 0) + sections.get('.rodata', 0)


def is_extra(name, patterns):
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def read_only_size(driver):
    with tempfile.TemporaryDirectory() as folder:
        objects = dict(compile_one(folder, source, ['-DFP_READONLY=1']) for source in sources_of(driver.name, only_reading=True))
        kept = [o for name, o in objects.items() if not is_extra(name, driver.extras.values())]
        return linked_size(folder, kept, f'fp_fs_{driver.name}_ro')


def deepest(folder, callbacks):
    """(bytes, the path) of the deepest chain of calls; one by address may be to any of the callbacks."""
    frames, calls = {}, {}
    for graph in glob.glob(f'{folder}/*.ci'):
        with open(graph) as file:
            text = file.read()
        for title, label in re.findall(r'node: \{ title: "([^"]+)" label: "([^"]+)"', text):
            size = re.search(r'(\d+) bytes \((\w+)', label)
            if size:
                if size.group(2) != 'static':
                    sys.exit(f'size: {title} has a frame of unknown size')
                frames[title] = int(size.group(1))
        for source, target in re.findall(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', text):
            calls.setdefault(source, set()).add(target)
    callbacks = [f for f in frames if f.split(':')[-1] in callbacks]
    known, path = {}, []

    def depth(name):
        if name == '__indirect_call':
            return max((depth(c) for c in callbacks), default=(0, []), key=lambda d: d[0])
        if name not in frames:
            return 0, []
        if name in path:
            sys.exit('size: recursion: ' + ' -> '.join([*path, name]))
        if name not in known:
            path.append(name)
            below = max((depth(c) for c in calls.get(name, ())), default=(0, []), key=lambda d: d[0])
            path.pop()
            known[name] = frames[name] + below[0], [name, *below[1]]
        return known[name]

    return max((depth(f) for f in frames), key=lambda d: d[0])


def verdict(size, goal):
    """'12,345   9.0 KB  MISSED by 3,129'; counts what is missed"""
    if not goal:
        return f'{size:>8,}'
    if size <= goal:
        return f'{size:>8,}  goal {goal / KB:4.1f} KB: met'
    verdict.missed += 1
    return f'{size:>8,}  goal {goal / KB:4.1f} KB: MISSED by {size - goal:,.0f}'


verdict.missed = 0


def print_driver(driver):
    symbol = f'fp_fs_{driver.name}'
    with tempfile.TemporaryDirectory() as folder:
        objects = dict(compile_one(folder, source) for source in sources_of(driver.name))
        most = [o for name, o in objects.items() if not is_extra(name, driver.extras.values())]
        size = linked_size(folder, most, symbol)
        extras = [(what, [o for name, o in objects.items() if is_extra(name, [pattern])]) for what, pattern in driver.extras.items()]
        print(f'{driver.name:10} reading and writing {verdict(size, driver.goal)}')
        print(f'{"":10} read-only           {verdict(read_only_size(driver), driver.read_only_goal)}')
        for what, files in extras:
            if files:
                print(f'{"":10} {"with " + what:19} {linked_size(folder, [*most, *files], symbol) - size:>+8,}')
        stack, names = deepest(folder, driver.callbacks)
        print(f'{"":10} stack               {verdict(stack, STACK)}')
        print(f'{"":13}{" > ".join(n.split(":")[-1] for n in names)}')


def print_part(where, name, what, goal):
    with tempfile.TemporaryDirectory() as folder:
        sizes = {}
        for source in sorted(glob.glob(f'{where}/{name}.c') + glob.glob(f'{where}/{name}_*.c')):
            file, out = compile_one(folder, source)
            listed = subprocess.run(['arm-none-eabi-size', '-A', out], check=True, capture_output=True, text=True).stdout
            sizes[file] = sum(int(n) for n in re.findall(r'^\.(?:text|rodata)\S*\s+(\d+)', listed, re.MULTILINE))
        print(f'{name:10} {what:19} {verdict(sizes.pop(name), goal)}')
        for file, size in sizes.items():
            print(f'{"":10} {"with " + file:19} {size:>+8,}')
        stack, names = deepest(folder, ())
        print(f'{"":10} stack               {verdict(stack, STACK)}')


def main():
    wanted = sys.argv[1:]
    known = [d.name for d in DRIVERS] + [name for _, name, _, _ in PARTS]
    if set(wanted) - set(known):
        sys.exit(f'size: not known: {", ".join(set(wanted) - set(known))}; there are: {", ".join(known)}')
    for driver in DRIVERS:
        if os.path.isdir(f'core/fs/{driver.name}') and driver.name in (wanted or known):
            print_driver(driver)
    for where, name, what, goal in PARTS:
        if os.path.exists(f'{where}/{name}.c') and name in (wanted or known):
            print_part(where, name, what, goal)
    print(f'{verdict.missed} goals are missed' if verdict.missed else 'all goals are met')


if __name__ == '__main__':
    main()
