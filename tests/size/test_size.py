# SPDX-License-Identifier: MIT
"""The tool itself: chain.c, whose frames are counted here by hand, and what must not pass."""
import types

import firmware
import pytest
import size
import stack

# What chain.c puts on the stack, besides what a function saves: at most r4 to r7 and lr.
SAVED = 20
TABLE = {'tests/size/chain:call_*': ['table[]']}


def calls(reached):
    return types.SimpleNamespace(CALLS=reached, DEVICES=(), NESTED={}, GIVEN=(), OTHERS=())


@pytest.fixture(name='program')
def program_of(tmp_path):
    def program(reached, *options):
        path = firmware.compile_one(str(tmp_path), 'tests/size/chain.c', [*firmware.ALONE, *options])
        linked = firmware.Linked(f'{tmp_path}/chain.elf', [path], 'main', ['-nostdlib'])
        return stack.Program(linked, calls(reached))
    return program


def names_of(chain):
    return [f.name for f in chain]


def test_the_deepest_chain_is_that_which_was_counted(program):
    depth, chain = program(TABLE).deepest(program(TABLE).named('main'))
    assert names_of(chain) == ['main', 'take_200']
    assert 200 <= depth <= 200 + 2 * SAVED


def test_a_pointer_out_of_a_table_leads_to_its_own_place_in_it(program):
    found = program(TABLE)
    depth, chain = found.deepest(found.named('call_shallow'))
    assert names_of(chain) == ['call_shallow', 'take_40']
    assert 120 <= depth <= 120 + 2 * SAVED


def test_a_call_through_a_pointer_counts(program):
    found = program(TABLE, '-DCALLS_DEEP=1')
    depth, chain = found.deepest(found.named('main'))
    assert names_of(chain) == ['main', 'call_deep', 'take_200']
    assert 280 <= depth <= 280 + 3 * SAVED


def test_a_table_of_rows_leads_to_that_place_in_each(program):
    found = program({'tests/size/chain:call_*': ['table[8]']}, '-DCALLS_DEEP=1', '-DROWS=1')
    assert names_of(found.deepest(found.named('call_shallow'))[1]) == ['call_shallow', 'take_40']
    assert names_of(found.deepest(found.named('main'))[1]) == ['main', 'call_deep', 'take_200']


def test_a_call_through_a_pointer_that_nobody_listed_is_an_error(program):
    with pytest.raises(stack.Unsound, match='chain:call_shallow'):
        program({})


def test_an_address_that_is_taken_and_never_called_is_an_error(program):
    found = program({'tests/size/chain:call_*': ['tests/size/chain:take_40']})
    with pytest.raises(stack.Unsound, match='chain:take_200'):
        found.check()
    program(TABLE, '-DCALLS_DEEP=1').check()


def test_recursion_is_an_error(program):
    found = program(TABLE, '-DRECURSES=1')
    with pytest.raises(stack.Unsound, match='recursion: .*again > .*again'):
        found.deepest(found.named('main'))


def test_a_frame_of_unknown_size_is_an_error(tmp_path):
    source = tmp_path / 'grows.c'
    source.write_text('void use(char *p); void grow(int n); void grow(int n) { char a[n]; use(a); }')
    path = firmware.compile_one(str(tmp_path), str(source), firmware.ALONE, 'grows')
    with pytest.raises(stack.Unsound, match='grow'):
        stack.frames_of([path])


def test_flash_and_ram_are_those_of_the_variables(tmp_path):
    source = tmp_path / 'vars.c'
    source.write_text('char zero[100]; int set[5] = { 1 }; const char text[60] = "x"; char unused[500];'
                      'int main(void); int main(void) { return zero[1] + set[1] + ((const volatile char *)text)[2]; }')
    path = firmware.compile_one(str(tmp_path), str(source), firmware.ALONE, 'vars')
    linked = firmware.Linked(f'{tmp_path}/vars.elf', [path], 'main', ['-nostdlib'])
    flash, ram = linked.total()
    assert ram == 100 + 20
    assert linked.variables() == {'zero': 100, 'set': 20}
    parts = linked.parts(lambda where: where)
    assert sum(part[0] for part in parts.values()) == flash and sum(part[1] for part in parts.values()) == ram
    code = flash - 60 - 20
    assert 0 < code < 60


def test_what_grew_and_what_is_new_is_above_its_ceiling():
    found = list(size.grown({'same': 10, 'less': 9, 'more': 12, 'new': 1}, {'same': 10, 'less': 10, 'more': 10, 'gone': 3}))
    assert found == ['more: 12 bytes, 2 above its ceiling', 'new: 1 bytes, and no ceiling']


def test_every_whole_firmware_has_its_goals():
    goals = {name: (c.flash_goal, c.ram_goal) for name, c in firmware.CONFIGURATIONS.items()}
    assert goals == {'with-minifs': (20480, 4096), 'with-littlefs': (36864, 8192)}
    assert firmware.CONFIGURATIONS['with-minifs'].counted() == ['agent', 'link', 'messages', 'minifs']
