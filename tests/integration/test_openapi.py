# SPDX-License-Identifier: MIT
"""docs/openapi.json tells every route and what each may answer.

What the daemon answers elsewhere in these suites is held against it too:
tests/tools/spec.py, by way of Bed.http.
"""
import pathlib
import re

import pytest
import spec
from bed import Bed

SOURCE = (pathlib.Path(__file__).resolve().parents[2] / 'daemon' / 'http' / 'routes.c').read_text()


def routes():
    """(method, path, scope, kind) of the table in routes.c."""
    macros = {'API': '"/api/v1"'}
    for name, text in re.findall(r'#define (DEVICE|FS|STORAGE|SNAP) +(.*)', SOURCE):
        macros[name] = text
    for method, path, scope, kind in re.findall(r'\{ "(\w+)", (.*?), (NONE|READ|WRITE|ADMIN), FPD_(\w+),', SOURCE):
        while names := re.findall(r'\b(API|DEVICE|FS|STORAGE|SNAP)\b(?=[^"]*(?:"[^"]*"[^"]*)*$)', path):
            path = path.replace(names[0], macros[names[0]], 1)
        yield method, ''.join(re.findall(r'"([^"]*)"', path)).replace('...', ''), scope, kind


ROUTES = list(routes())


@pytest.mark.parametrize('method, path, scope, kind', ROUTES, ids=[f'{r[0]} {r[1]}' for r in ROUTES])
def test_each_route_is_there_with_what_all_of_its_kind_may_answer(method, path, scope, kind):
    if path == '/{page}':
        return  # files of the page, no part of the API
    known = spec.statuses(path, method)
    assert known, 'it is not in docs/openapi.json'
    wanted = {400, 401, 413, 414, 421, 503}
    if scope != 'NONE':
        wanted |= {403}
    if '{device}' in path:
        wanted |= {404, 409}        # unknown; the id of one and the label of another
    if kind == 'DEVICE':
        wanted |= {501, 502, 504}   # a device may lack it, break off, or be silent
    if kind == 'JOB':
        wanted |= {507}             # a job is stored
    assert wanted <= known, f'{sorted(wanted - known)} are missing'


def test_there_are_as_many_routes_as_rows():
    assert len(ROUTES) == len(re.findall(r'^    \{ "', SOURCE, re.M)) > 40


def real(path):
    return path.replace('{device}', 'dev').replace('{storage}', 'flash0').replace('{path}', 'flash/none').replace('{snapshot}', '0' * 36) \
        .replace('{job}', '0' * 36).replace('{token}', '0' * 36)


ODD = {'no token': {'headers': {'Authorization': 'Bearer none'}}, 'no JSON': {'data': b'x', 'headers': {'Content-Type': 'text/plain'}},
       'half JSON': {'data': b'{', 'headers': {'Content-Type': 'application/json'}}, 'a list': {'json': []}, 'much': {'data': bytes(1 << 20)},
       'nothing known': {'json': {'nothing': 'known'}}, 'another name': {'headers': {'Host': 'elsewhere.example'}},
       'another site': {'headers': {'Origin': 'http://elsewhere.example'}}, 'a part': {'headers': {'Content-Range': 'bytes 1-2/3', 'Range': 'bytes=9-'}},
       'a long path': {'params': {'x': 'y' * 9000}}, 'no yes': {'params': {'recursive': 'perhaps', 'limit': 'x', 'cursor': 'x', 'after': 'x', 'since': 'x'}},
       'a condition': {'headers': {'If-None-Match': '"a"', 'If-Match': '"b"'}}}


LENT = ('/release', '/reboot')  # which do what they are asked where nothing is wrong with the request


@pytest.fixture(scope='module', name='dev')
def dev_of():
    with Bed() as bed:
        bed.agent('dev', listen='unix')
        bed.start_daemon()
        bed.online('dev')
        yield bed


@pytest.mark.parametrize('odd', ODD)
def test_odd_requests_get_what_is_documented(dev, odd):
    """The check is the hook's."""
    for method, path, _, _ in ROUTES:
        if path == '/api/v1/events' or (path.endswith(LENT) and odd not in ('no token', 'no JSON', 'half JSON', 'a list', 'another name')):
            continue
        reply = dev.http.request(method, dev.url + real(path), timeout=30, allow_redirects=False, **ODD[odd])
        assert reply.status_code != 500, reply.text
