# SPDX-License-Identifier: MIT
"""docs/openapi.json, held against what a daemon answers.

Every answer that a test gets through Bed.http has to have a status that the
document gives its route.
"""
import json
import pathlib
import re
import urllib.parse

DOCUMENT = json.loads((pathlib.Path(__file__).resolve().parents[2] / 'docs' / 'openapi.json').read_text())


def pattern(path):
    """{path} is all the rest, other parameters one segment."""
    parts = re.split(r'(\{\w+\})', path)
    return re.compile(''.join('.*' if p == '{path}' else '[^/]+' if p.startswith('{') else re.escape(p) for p in parts) + '$')


ROUTES = [(pattern(path), path, item) for path, item in DOCUMENT['paths'].items()]


def statuses(path, method):
    """What the document gives a method of a route; None: it has no such method."""
    item = DOCUMENT['paths'][path]
    if method in item.get('x-methods', {}):
        return set(item['x-responses'][method])
    operation = item.get(method.lower())
    return operation and {int(status) for status in operation['responses']}


def check(reply, *_, **__):
    """A hook of requests."""
    path = urllib.parse.urlsplit(reply.request.url).path
    for matches, template, _ in ROUTES:
        if matches.match(path):
            known = statuses(template, reply.request.method)
            assert known is None or reply.status_code in known, \
                f'docs/openapi.json has no {reply.status_code} of {reply.request.method} {template}: {reply.text[:300]}'
            return
