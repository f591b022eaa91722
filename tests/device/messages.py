# SPDX-License-Identifier: MIT
"""Messages: flashport.proto as protoc understands it, with the bounds of
flashport.options, which PROTOCOL.md section 4 makes a part of the protocol.

    fp.Envelope, fp.StatReply, ...   the message classes
    read(payload)                    the Envelope, or Unreadable
    check(message)                   Unreadable where it is out of its bounds
"""
import fnmatch
import pathlib
import re
import subprocess
import types

from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory

PROTO = pathlib.Path(__file__).resolve().parents[2] / 'proto'


class Unreadable(Exception):
    """Says what is wrong; `id` is the request's as far as it could be read."""

    def __init__(self, why, request_id=0):
        super().__init__(why)
        self.id = request_id


def compiled():
    made = subprocess.run(['protoc', f'-I{PROTO}', '--descriptor_set_out=/dev/stdout', 'flashport.proto'], check=True, stdout=subprocess.PIPE)
    pool = descriptor_pool.DescriptorPool()
    file, = descriptor_pb2.FileDescriptorSet.FromString(made.stdout).file
    pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    names = {m.name: factory.GetPrototype(pool.FindMessageTypeByName(f'fp.{m.name}')) for m in file.message_type}
    numbers = {value.name: value.number for enum in file.enum_type for value in enum.value}
    return types.SimpleNamespace(**names, **numbers)


def bounds():
    """[(pattern, bytes or items at most)]: of several that match a field the last one holds."""
    lines = re.findall(r'^(fp\.\S+)\s+max_(?:size|count):(\d+)', (PROTO / 'flashport.options').read_text(), re.M)
    return [(pattern, int(most)) for pattern, most in lines]


fp = compiled()
BOUNDS = bounds()


def limit(field):
    matching = [most for pattern, most in BOUNDS if fnmatch.fnmatchcase(field.full_name, pattern)]
    return matching[-1] if matching else None


def check(made):
    """Unreadable where a field of the message, or of one in it, is longer than its bound."""
    for field, value in made.ListFields():
        repeated, is_message = field.label == field.LABEL_REPEATED, field.type == field.TYPE_MESSAGE
        if (repeated or field.type == field.TYPE_BYTES) and len(value) > limit(field):
            raise Unreadable(f'{field.full_name} is longer than {limit(field)}')
        for item in (value if repeated else [value]) if is_message else ():
            check(item)


def read(payload):
    env = fp.Envelope()
    try:
        env.ParseFromString(payload)
    except message.DecodeError:
        raise Unreadable('no message') from None
    try:
        check(env)
    except Unreadable as error:
        raise Unreadable(str(error), env.id) from None
    return env
