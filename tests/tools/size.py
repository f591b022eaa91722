# SPDX-License-Identifier: MIT
"""What a driver costs a small device: code for Cortex-M0 at -Os, and stack.

Its sources are compiled as a firmware would (32-bit addresses, assertions out)
and linked alone with unused sections dropped; what is counted is text with
read-only data; the read-only one is compiled with FP_READONLY=1. What a firmware
may leave out, by a table of its own, is counted by itself: `check`, and `probe`,
which one that states its block size does not need.
The stack is that of the deepest path of calls, from the compiler's own call
graph; what the block device below uses comes on top.

usage: ./dev size
"""
import glob
import os
import re
import subprocess
import sys
import tempfile

GCC = 'arm-none-eabi-gcc'
FLAGS = ['-std=c11', '-mcpu=cortex-m0', '-mthumb', '-Os', '-ffreestanding', '-ffunction-sections', '-fdata-sections',
         '-fcallgraph-info=su', '-DFP_ADDR32=1', '-DFP_CRC32_SMALL=1', '-DFP_ASSERT(c)=((void)0)', '-I.', '-isystem', 'core/freestanding']
# driver: reading and writing, read-only, the files left out by what they are for
DRIVERS = {'littlefs': ('fp_fs_littlefs', 'fp_fs_littlefs_ro', {'check': ('check', 'check_log'), 'probe': ('probe',)})}
# what is called by its address, at the end of such calls: that on the way there (report in blocks.c) takes less than what it
# stands beside, a read
CALLBACKS = ('fp_lfs_tally', 'stay_below')
WRITES = ('advance', 'alloc', 'commit', 'compact', 'extend', 'format', 'littlefs', 'log', 'prog', 'repair', 'setattr', 'tree', 'write')


def compile_all(folder, driver, options=(), leave_out=()):
    objects = {}
    for source in sorted(glob.glob(f'core/fs/{driver}/*.c')):
        name = os.path.splitext(os.path.basename(source))[0]
        if name in leave_out:
            continue
        objects[name] = f'{folder}/{name}.o'
        subprocess.run([GCC, *FLAGS, *options, '-c', source, '-o', objects[name], '-dumpbase', f'{folder}/{name}.c'], check=True)
    return objects


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
    return sections['.text'] + sections.get('.rodata', 0)


def read_only_size(driver, symbol, leave_out):
    with tempfile.TemporaryDirectory() as folder:
        objects = compile_all(folder, driver, ['-DFP_READONLY=1'], leave_out)
        return linked_size(folder, objects.values(), symbol)


def deepest(folder):
    """(bytes, the path) of the deepest chain of calls; a callback is any of CALLBACKS."""
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
    callbacks = [f for f in frames if re.search(r'(^|:)(' + '|'.join(CALLBACKS) + ')$', f)]
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


def main():
    for driver, (full, read_only, left_out) in DRIVERS.items():
        with tempfile.TemporaryDirectory() as folder:
            objects = compile_all(folder, driver)
            rest = {name for names in left_out.values() for name in names}
            most = [o for name, o in objects.items() if name not in rest]
            size = linked_size(folder, most, full)
            reads = read_only_size(driver, read_only, (*rest, *WRITES))
            extras = ', '.join(f'{what} {linked_size(folder, [*most, *(objects[name] for name in names)], full) - size:,}'
                               for what, names in left_out.items())
            print(f'{driver}: reading and writing {size:,} bytes, read-only {reads:,}; more for {extras}')
            stack, names = deepest(folder)
            print(f'{driver}: stack {stack:,} bytes at most: ' + ' > '.join(re.sub(r'.*:', '', n) for n in names))


if __name__ == '__main__':
    main()
