# SPDX-License-Identifier: MIT
"""How deep the stack can become: the deepest chain of calls in a linked ELF.

What a function takes is the compiler's word (-fstack-usage); for those of the C library and libgcc, which come without, it is
all that their instructions push and subtract. Who calls whom is read off the instructions.

A call through a pointer reaches what calls.py says of the function that it stands in: tables of functions, of which only those
at the offset that the pointer was loaded from where that can be seen, and functions by name. It is an error
- when a function calls through a pointer and is not listed there
- when a function's address is taken, and nothing that is listed reaches it
- when a chain of calls leads back into itself, but for what calls.py lists as NESTED. Block devices stack, each of a kind at most
  once: within one, those above it are not called again.
- when a frame's size is not known to the compiler

Interrupts come on top.
"""
import collections
import fnmatch
import functools
import glob
import os
import re
import subprocess
import sys

from elf import STT_OBJECT, Elf

Insn = collections.namedtuple('Insn', 'addr name args')


class Unsound(Exception):
    """The depth cannot be told."""


def frames_of(objects):
    """{(object, function): bytes}"""
    found = {}
    for path in objects:
        with open(os.path.splitext(path)[0] + '.su') as file:
            for line in file:
                where, size, kind = line.rstrip('\n').split('\t')
                if kind != 'static':
                    raise Unsound(f'{where} has a frame of unknown size')
                found[path, where.split(':')[-1]] = int(size)
    return found


def instructions(elf):
    """by address, in order"""
    text = subprocess.run(['arm-none-eabi-objdump', '-d', '--no-show-raw-insn', elf], check=True, capture_output=True, text=True).stdout
    found = re.findall(r'^ *([0-9a-f]+):\t(\S+)(?:\t([^\n@]*))?', text, re.MULTILINE)
    return [Insn(int(addr, 16), name.removesuffix('.n').removesuffix('.w'), args.strip()) for addr, name, args in found]


def registers(listed):
    """r4-r7 and the like, out of {r0, r4-r7, lr}"""
    found = []
    for part in re.findall(r'[a-z]\w*(?:-r\d+)?', listed):
        first, _, last = part.partition('-')
        found += [f'r{n}' for n in range(int(first[1:]), int(last[1:]) + 1)] if last else [part]
    return found


def pushed(body):
    """bytes of stack that these instructions take, none of them twice"""
    return sum(4 * len(registers(i.args)) if i.name == 'push' else int(i.args.split('#')[1])
               for i in body if i.name == 'push' or i.name == 'sub' and i.args.startswith('sp, #'))


def branch_target(insn):
    """where it may go to by name, or None"""
    found = re.match(r'([0-9a-f]+) <', insn.args) if re.match(r'b(l|x|[a-z]{2})?$', insn.name) else None
    return int(found.group(1), 16) if found else None


def is_return(body, at):
    """bx lr, or bx of what was popped for it"""
    register = body[at].args
    return register == 'lr' or any(i.name == 'pop' and register in registers(i.args) for i in body[max(0, at - 3):at])


def loaded_from(body, at):
    """The offset that the pointer called at body[at] was loaded from, or None where it is not plain to see: looks back as far as
    the instructions are sure to have run one after the other."""
    register = body[at].args
    targets = {branch_target(i) for i in body}
    for i in range(at - 1, -1, -1):
        insn = body[i]
        if body[i + 1].addr in targets:
            return None
        first = insn.args.split(',')[0].strip(' {}!')
        if insn.name in ('b', 'bx') or insn.name in ('bl', 'blx') and register in ('r0', 'r1', 'r2', 'r3', 'ip'):
            return None
        if insn.name.startswith('b') and insn.name != 'bics':
            continue  # a branch that was not taken, a call that leaves the register alone
        if insn.name in ('pop', 'ldmia'):
            if register in registers(insn.args):
                return None
        elif first == register and insn.name not in ('cmp', 'cmn', 'tst', 'push', 'stmia') and not insn.name.startswith('str'):
            found = re.match(r'\w+, \[r\d+(?:, #(\d+))?\]$', insn.args) if insn.name == 'ldr' else None
            if found:
                return int(found.group(1) or 0)
            moved = re.match(r'\w+, (r\d+|ip)$', insn.args) if insn.name in ('mov', 'movs') else None
            if not moved:
                return None
            register = moved.group(1)
    return None


class Function:
    def __init__(self, name, where, frame):
        self.name, self.where, self.frame = name, where, frame
        self.calls, self.gives = set(), set()  # functions, by address
        self.through = []  # offsets of the pointers that are called

    def __str__(self):
        return f'{os.path.splitext(self.where)[0]}:{self.name}'

    def is_one_of(self, patterns):
        return any(fnmatch.fnmatchcase(str(self), pattern) for pattern in patterns)


class Program:
    """linked: as firmware.Linked; calls: {pattern of callers: [what they reach]}, as calls.py; externals: calls to what is not
    linked are allowed, and cost nothing."""

    def __init__(self, linked, calls, externals=False):
        self.calls, self.devices, self.nested, self.given = calls.CALLS, calls.DEVICES, calls.NESTED, calls.GIVEN
        self.others, self.externals = calls.OTHERS, externals
        elf = Elf(linked.elf)
        self.symbols = elf.functions()
        self.starts = sorted(self.symbols)
        self.functions = self._functions(linked)
        self._disassemble(instructions(linked.elf))
        self._find_pointers(elf)
        self._check_listed()

    def _functions(self, linked):
        sections = sorted((addr, addr + size, path) for name, addr, size, path in linked.sections() if name.startswith('.text'))
        objects = {os.path.relpath(o, linked.root): o for o in linked.objects}
        frames = frames_of(linked.objects)
        found = {}
        for addr, symbol in self.symbols.items():
            path = next((p for start, end, p in sections if start <= addr < end), '')
            names = symbol.name, re.sub(r'\.\d+$', '', symbol.name)
            frame = next((frames[objects[path], n] for n in names if (objects.get(path), n) in frames), None) if path in objects else -1
            if frame is None:
                raise Unsound(f'what {symbol.name} of {path} takes is not known')
            found[addr] = Function(symbol.name, path, frame)
        return found

    def named(self, name):
        """the address of a function"""
        return next(a for a, f in self.functions.items() if f.name == name)

    def containing(self, addr):
        """the start of the function that addr lies in"""
        before = [s for s in self.starts if s <= addr]
        return before[-1] if before else None

    def _disassemble(self, insns):
        bodies = collections.defaultdict(list)
        start = None
        for insn in insns:
            start = insn.addr if insn.addr in self.symbols else start
            bodies[start].append(insn)
        for start, body in bodies.items():
            if start is not None:
                self._read(start, self.functions[start], body)

    def _read(self, start, function, body):
        if function.frame < 0:  # not ours: by its instructions
            function.frame = pushed(body)
        for at, insn in enumerate(body):
            target = branch_target(insn)
            if target is not None and not start < target <= body[-1].addr:
                self._add_call(function, target)
            elif insn.name == 'blx' or insn.name == 'bx' and not is_return(body, at):
                function.through.append(loaded_from(body, at))

    def _add_call(self, function, target):
        start = self.containing(target)
        if start is not None:
            function.calls.add(start)
        elif not self.externals:
            raise Unsound(f'{function} calls what is not there')

    def _find_pointers(self, elf):
        """tables: {(object's symbol, offset): function}; taken: functions whose address is in code"""
        objects = sorted((s.addr, s.addr + s.size, s.name) for s in elf.symbols if s.type == STT_OBJECT and s.size)
        self.tables, self.taken = {}, set()
        for where, value in elf.pointers():
            if not value & 1 or value & ~1 not in self.symbols:
                continue
            table = next(((name, where - start) for start, end, name in objects if start <= where < end), None)
            if table:
                self.tables[table] = value & ~1
            else:
                self.taken.add(value & ~1)
                self.functions[self.containing(where)].gives.add(value & ~1)

    def reachable(self, function, offset):
        """{(table or None, address)} that a call through a pointer in it may lead to; offset None: any of a table"""
        found = set()
        for want in next(reached for pattern, reached in self.calls.items() if function.is_one_of([pattern])):
            table = re.fullmatch(r'(.+)\[(\d*)\]', want)
            if table:
                row = int(table[2] or sys.maxsize)
                found |= {(name, f) for (name, at), f in self.tables.items()
                          if fnmatch.fnmatchcase(name, table[1]) and offset in (None, at % row)}
            else:
                found |= {(None, a) for a, f in self.functions.items() if f.is_one_of([want])}
        return found

    def _check_listed(self):
        unlisted = [str(f) for f in self.functions.values() if f.through and not f.is_one_of(self.calls)]
        if unlisted:
            raise Unsound(f'say in calls.py what is reached by calls through pointers in {", ".join(sorted(unlisted))}')

    def check(self, entered='-'):
        """Is whatever has its address taken reached by a call that is listed? Besides the table `entered`, which is others' to call."""
        reached = set()
        for function in self.functions.values():
            for offset in function.through:
                reached |= {address for _, address in self.reachable(function, offset)}
        taken = self.taken | {address for (table, _), address in self.tables.items() if not fnmatch.fnmatchcase(table, entered)}
        lost = {a for a in taken - reached if not self.functions[a].is_one_of(self.others)}
        if lost:
            names = ', '.join(sorted(str(self.functions[a]) for a in lost))
            raise Unsound(f'its address is taken, and no call that calls.py lists reaches {names}')

    def deepest(self, start, within=lambda function: True):
        """(bytes, the functions) of the deepest chain from the function at `start` on, as far as it stays within"""
        path = []

        # passed: the devices, functions that nest and givers of callbacks that the chain went through
        @functools.lru_cache(maxsize=None)
        def depth(address, passed):
            function = self.functions[address]
            if not within(function):
                return 0, ()
            passed = self._enter(function, address, passed)
            if passed is None:
                return 0, ()
            if (address, passed) in path:
                raise Unsound('recursion: ' + ' > '.join([*(str(self.functions[a]) for a, _ in path), str(function)]))
            path.append((address, passed))
            below = [depth(a, passed) for a in function.calls]
            below += [depth(a, passed | more) for a, more in self._through(function, passed)]
            path.pop()
            size, names = max(below, default=(0, ()), key=lambda found: found[0])
            return function.frame + size, (function, *names)

        return depth(start, frozenset())

    def _enter(self, function, address, passed):
        """What is passed with this function; None: it is not called another time."""
        for most in (most for pattern, most in self.nested.items() if function.is_one_of([pattern])):
            level = sum(p[0] == 'level' and p[1] == address for p in passed)
            return None if level == most else passed | {('level', address, level)}
        return passed | {('given', callback) for callback in function.gives if self.functions[callback].is_one_of(self.given)}

    def _through(self, function, passed):
        """(function, what is passed with the call) of each that a pointer may lead to here"""
        for offset in function.through:
            for table, address in self.reachable(function, offset):
                callback = self.functions[address]
                if self._is_device(table):
                    if ('device', table) not in passed:
                        yield address, {('device', table)}
                elif table or not callback.is_one_of(self.given) or ('given', address) in passed:
                    yield address, set()

    def _is_device(self, table):
        return table is not None and any(fnmatch.fnmatchcase(table, pattern) for pattern in self.devices)

    def deepest_of(self, within):
        """The same of all that begin where within(function) holds, and may go anywhere."""
        return max((self.deepest(a) for a, f in self.functions.items() if within(f)), key=lambda found: found[0])

    def deepest_within(self, within):
        """The same of all that stay where within(function) holds."""
        return max((self.deepest(a, within) for a, f in self.functions.items() if within(f)), key=lambda found: found[0])
