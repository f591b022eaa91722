# SPDX-License-Identifier: MIT
"""What calls through pointers can reach, for stack.py.

CALLS   callers, by file:function (the first that fits counts), and what they reach: table[] is any function in tables of that name, table[N] in one with rows of N bytes, file:function one whose
        address the program takes. Nothing: what it would call is given by the application. Too much only makes the stack look
        deeper; what is missing is an error.
DEVICES tables of block devices: they stack, each of them once
OTHERS  functions in tables that only an application calls
GIVEN   callbacks that are called only while the function that gave them has not returned
NESTED  functions that come back to themselves, and how often one is on a chain at most
"""
DEVICES = ('*_ops',)  # beside fp_fs_*, no other table is named so
GIVEN = ('core/fs/littlefs/check:own', 'core/fs/littlefs/repair:stay_below')
OTHERS = ('core/fs/*:fp_*_listattr', 'core/fs/*:fp_*_blocks', 'core/fs/*:fp_*_getattr', 'core/fs/*:fp_*_setattr', 'core/fs/*:fp_*_sync',
          'core/fs/*:fp_*_settime', 'core/fs/*:fp_*_truncate')

CALLS = {
    'core/bdev/bdev:*': ['*_ops[]'],
    'core/bdev/mpy:*': [],  # MicroPython's block device, which is the application's
    'core/bdev/gen:*': ['tests/size/firmware:clock_ms'],
    # loaded long before the call, so that the place in the table is not to be seen
    'core/fs/fs:fp_fs_open': ['core/fs/*/*:fp_*_open'],
    'core/fs/fs:fp_fs_commit': ['core/fs/*/*:fp_*_commit'],
    'core/fs/fs:look_or_format': ['core/fs/fs:is_erased', 'core/fs/*/*:fp_*_format', 'core/fs/*/*:fp_*_is_blank'],
    'core/fs/fs:*': ['fp_fs_*[]'],
    # findings, of a check
    'core/fs/*/check:*say': ['device-agent/volume:on_finding'],
    'core/fs/fat/check:*': ['device-agent/volume:on_finding', 'core/fs/fat/check_repair:fix'],
    'core/fs/fat/io:fp_fat_load': ['core/fs/fat/prog:fp_fat_flush'],
    # blocks in use: besides the driver an application asks for them, the agent does not
    'core/fs/minifs/blocks:fp_mini_blocks': [],
    'core/fs/fat/blocks:fp_fat_blocks': [],
    'core/fs/raw/*:*': ['core/fs/raw/write:write_back', 'core/fs/raw/read:copy_out', 'core/fs/raw/write:copy_in'],
    'core/fs/spiffs/mount:fp_spf_blocks': ['core/fs/spiffs/mount:count_block'],
    'core/fs/bonsai/blocks:fp_bon_blocks': [],
    'core/fs/littlefs/blocks:fp_lfs_visit': GIVEN,
    'device-agent/tasks:*': ['jobs[16]'],
    'device-agent/agent:fp_agent_poll': ['jobs[16]', 'config[]'],
    'device-agent/bulk:fp_agent_bulk_send': ['source.*[]'],
    # callbacks of the firmware, most of which may be NULL
    'device-agent/agent:wire_send': ['config[]'],
    'device-agent/auth:*': ['config[]'],
    'device-agent/info:*': ['config[]'],
    'device-agent/media:*': ['config[]', 'storages[]'],
    'device-agent/mount:place': ['volumes[]'],
    'device-agent/mount:fp_agent_volume_mount': ['volumes[]'],
    'device-agent/mount:as_told': ['device-agent/mount:fp_agent_volume_mount', 'device-agent/mount:make'],
    'device-agent/mount:by_maker': ['core/fs/fs:fp_fs_format', 'core/fs/fs:fp_fs_is_blank'],
    'device-agent/rate:*': ['config[]'],
    'device-agent/answers:*': ['config[]'],
    'device-agent/reply:*': ['config[]'],
    'device-agent/restore:*': ['config[]'],
    'proto/frame:*': ['core/digest/crc32:fp_crc32'],
    'proto/link_rx:*': [],  # the console, which the agent does not take
    'proto/link_tx:flush': ['device-agent/agent:wire_send'],
}

NESTED = {}
