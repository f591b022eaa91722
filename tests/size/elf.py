# SPDX-License-Identifier: MIT
"""What is read of a linked 32-bit ELF: symbols, and where addresses of functions lie.

Source: Tool Interface Standard, Executable and Linking Format 1.2; ELF for the ARM Architecture (relocation codes)
"""
import collections
import struct

SHT_SYMTAB, SHT_REL = 2, 9
STT_OBJECT, STT_FUNC = 1, 2
R_ARM_ABS32 = 2

Section = collections.namedtuple('Section', 'name type flags addr off size link info align entsize')
Symbol = collections.namedtuple('Symbol', 'name addr size type')


class Elf:
    def __init__(self, path):
        with open(path, 'rb') as file:
            self.data = file.read()
        if self.data[:6] != b'\x7fELF\x01\x01':
            raise ValueError(f'{path} is no little-endian 32-bit ELF')
        off, = struct.unpack_from('<I', self.data, 0x20)
        entsize, count, _ = struct.unpack_from('<HHH', self.data, 0x2e)
        self.all = [Section(*struct.unpack_from('<10I', self.data, off + i * entsize)) for i in range(count)]
        table = next(s for s in self.all if s.type == SHT_SYMTAB)
        self.symbols = [self._symbol(table, i) for i in range(table.size // 16)]

    def _symbol(self, table, index):
        name, addr, size, info = struct.unpack_from('<IIIB', self.data, table.off + 16 * index)
        at = self.all[table.link].off + name
        return Symbol(self.data[at:self.data.index(b'\0', at)].decode(), addr, size, info & 15)

    def functions(self):
        """by address, the thumb bit gone; of several names the first"""
        found = {}
        for symbol in self.symbols:
            if symbol.type == STT_FUNC and symbol.addr:
                found.setdefault(symbol.addr & ~1, symbol)
        return found

    def pointers(self):
        """(where, value) of each address that the linker put into the program"""
        for section in self.all:
            if section.type != SHT_REL or not self.all[section.info].addr:
                continue
            target = self.all[section.info]
            for at in range(section.off, section.off + section.size, 8):
                where, info = struct.unpack_from('<II', self.data, at)
                if info & 0xff == R_ARM_ABS32:
                    yield where, struct.unpack_from('<I', self.data, target.off + where - target.addr)[0]
