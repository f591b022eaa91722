# SPDX-License-Identifier: MIT
"""The REST API as its users meet it: real daemon, real agent, requests and curl.

Expected statuses are those of the error table and of RFC 9110; expected bytes
are those that were sent.
"""
import base64
import concurrent.futures
import hashlib
import http.client
import json
import random
import re
import socket
import subprocess
import threading
import time
import urllib.parse

import pytest
import requests

from bed import BIN, wait_for
from conftest import add_agent

JSON = {'Content-Type': 'application/json'}
HEADERS = ('X-Content-Type-Options', 'Referrer-Policy', 'Content-Security-Policy')


def etag(data):
    return f'"{hashlib.sha256(data).hexdigest()}"'


def content(size, seed=1):
    return random.Random(seed).randbytes(size)


def problem(reply, status, code=None):
    """The reply is a problem document of this status; gives it."""
    assert reply.status_code == status, (reply.status_code, reply.text)
    assert reply.headers['Content-Type'] == 'application/problem+json'
    doc = reply.json()
    assert doc['status'] == status and doc['type'].startswith('/errors/')
    assert doc['title'] and doc['detail'] and doc['instance'].startswith('/')
    if code:
        assert doc['code'] == code, doc
    return doc


# --- files -------------------------------------------------------------------


@pytest.mark.parametrize('size', [0, 1, 255, 4096, 100_000, 400_000])
def test_what_is_put_is_got(bed, folder, size):
    data = content(size, size)
    first = bed.http.put(f'{folder}/f', data=data)
    assert first.status_code == 201 and first.headers['ETag'] == etag(data)
    got = bed.http.get(f'{folder}/f')
    assert got.status_code == 200 and got.content == data
    assert got.headers['ETag'] == etag(data)
    assert bed.http.put(f'{folder}/f', data=data).status_code == 204
    head = bed.http.head(f'{folder}/f')
    assert head.status_code == 200 and head.headers['Content-Length'] == str(size) and not head.content


def test_a_chunked_upload_of_unknown_length(bed, folder):
    data = content(150_000)
    reply = bed.http.put(f'{folder}/f', data=iter([data[:1], data[1:70_000], data[70_000:]]))
    assert reply.status_code == 201
    assert bed.http.get(f'{folder}/f').content == data


def test_chunked_uploads_that_are_faster_than_the_device(bed, folder):
    """Many chunks come with each read of the daemon's, and it has to stop between two of them. Which comes first, the next
    chunk or the device's word that there is room, is a race: several uploads."""
    data, url = content(600_000), urllib.parse.urlsplit(f'{folder}/f')
    body = b''.join(b'1000\r\n%s\r\n' % data[i:i + 4096] for i in range(0, 4096 * 146, 4096))
    for _ in range(20):
        with socket.create_connection((url.hostname, url.port), timeout=60) as client:
            client.sendall(f'PUT {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: {bed.http.headers["Authorization"]}\r\n'
                           'Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n'.encode() + body + b'0\r\n\r\n')
            reply = b''.join(iter(lambda: client.recv(65536), b''))
        assert reply.startswith(b'HTTP/1.1 20'), reply
        assert bed.http.get(f'{folder}/f').content == data[:4096 * 146]


def test_identical_content_programs_nothing(bed, folder):
    data = content(50_000)
    bed.http.put(f'{folder}/f', data=data)

    def writes():
        counters = bed.http.get(bed.api('/devices/dev/stats')).json()['counters']
        return counters['flash0.progs'], counters['flash0.erases']
    before = writes()
    assert bed.http.put(f'{folder}/f', data=data).status_code == 204
    assert writes() == before


@pytest.mark.parametrize('value, status, first, count', [
    ('bytes=0-9', 206, 0, 10), ('bytes=4090-4105', 206, 4090, 16), ('bytes=-7', 206, 9993, 7), ('bytes=9990-', 206, 9990, 10),
    ('bytes=0-99999', 206, 0, 10_000), ('bytes=5-1', 200, 0, 10_000), ('bytes=0-1,4-5', 200, 0, 10_000), ('bytes=10000-', 416, 0, 0)])
def test_ranges(bed, folder, value, status, first, count):
    data = content(10_000)
    bed.http.put(f'{folder}/f', data=data)
    got = bed.http.get(f'{folder}/f', headers={'Range': value})
    assert got.status_code == status
    if status == 416:
        assert got.headers['Content-Range'] == 'bytes */10000'
        return
    assert got.content == data[first:first + count]
    if status == 206:
        assert got.headers['Content-Range'] == f'bytes {first}-{first + count - 1}/10000'


def test_conditions(bed, folder):
    old, new, other = content(3000, 1), content(3000, 2), content(3000, 3)
    url = f'{folder}/f'
    problem(bed.http.put(url, data=old, headers={'If-Match': '*'}), 412, 'PRECOND')
    assert bed.http.put(url, data=old, headers={'If-None-Match': '*'}).status_code == 201
    problem(bed.http.put(url, data=new, headers={'If-None-Match': '*'}), 412, 'PRECOND')
    problem(bed.http.put(url, data=new, headers={'If-Match': etag(other)}), 412, 'PRECOND')
    assert bed.http.get(url).content == old
    assert bed.http.put(url, data=new, headers={'If-Match': etag(old)}).status_code == 204
    assert bed.http.put(url, data=other, headers={'If-Match': '*'}).status_code == 204
    same = bed.http.get(url, headers={'If-None-Match': f'"x", W/{etag(other)}'})
    assert same.status_code == 304 and not same.content
    assert bed.http.get(url, headers={'If-None-Match': etag(new)}).content == other
    problem(bed.http.get(url, headers={'If-Match': etag(new)}), 412)
    assert bed.http.get(url, headers={'If-Range': etag(new), 'Range': 'bytes=0-1'}).status_code == 200
    assert bed.http.get(url, headers={'If-Range': etag(other), 'Range': 'bytes=0-1'}).status_code == 206
    problem(bed.http.delete(url, headers={'If-Match': etag(new)}), 412)
    assert bed.http.delete(url, headers={'If-Match': etag(other)}).status_code == 204


def test_if_unmodified_since_guards_a_put(bed, folder):
    url = f'{folder}/f'
    then = 'Sun, 06 Nov 1994 08:49:37 GMT'
    before, after = 'Sun, 06 Nov 1994 08:49:36 GMT', 'Sun, 06 Nov 1994 08:49:38 GMT'
    assert bed.http.put(url, data=b'new', headers={'If-Unmodified-Since': before}).status_code == 201
    bed.http.put(url, data=b'old', headers={'Last-Modified': then})
    problem(bed.http.put(url, data=b'lost', headers={'If-Unmodified-Since': before}), 412, 'PRECOND')
    assert bed.http.get(url).content == b'old'
    assert bed.http.put(url, data=b'kept', headers={'If-Unmodified-Since': after}).status_code == 204


UNMET = [({'If-Match': etag(b'other')}, False), ({'If-Match': f'"none", W/{etag(b"old")}'}, False), ({'If-None-Match': '*'}, False),
         ({'If-None-Match': f'"none", {etag(b"old")}'}, False), ({'If-Unmodified-Since': 'Sun, 06 Nov 1994 08:49:36 GMT'}, False),
         ({'If-Match': f'"none", {etag(b"old")}'}, True), ({'If-Match': '*'}, True), ({'If-None-Match': etag(b'other')}, True),
         ({'If-Unmodified-Since': 'Sun, 06 Nov 1994 08:49:37 GMT'}, True)]


@pytest.mark.parametrize('headers, holds', UNMET)
@pytest.mark.parametrize('method', ['DELETE', 'MOVE', 'COPY'])
def test_conditions_guard_what_is_changed(bed, folder, method, headers, holds):
    url, to = f'{folder}/f', f'{folder}/to'
    bed.http.put(url, data=b'old', headers={'Last-Modified': 'Sun, 06 Nov 1994 08:49:37 GMT'})
    bed.http.put(to, data=b'target')
    headers = {**headers, 'Destination': urllib.parse.urlsplit(to).path}
    reply = bed.http.request(method, url, headers=headers)
    if holds:
        assert reply.status_code == 204, reply.text
    else:
        problem(reply, 412, 'PRECOND')
    assert bed.http.get(url).ok == (not holds or method == 'COPY')
    assert bed.http.get(to).content == (b'old' if holds and method != 'DELETE' else b'target')


@pytest.mark.parametrize('query', ['', '?in_place=1'])
def test_a_put_may_name_several_tags(bed, folder, query):
    old, small = content(30_000), b'small'
    bed.http.put(f'{folder}/f', data=old)
    tags = f'"none", {etag(b"x")}, {etag(old)},{etag(small)}'
    for data in (b'new', content(30_000, 2), iter([b'chunk'])):
        problem(bed.http.put(f'{folder}/f{query}', data=data, headers={'If-Match': f'"none", W/{etag(old)}, {etag(b"x")}'}), 412)
        problem(bed.http.put(f'{folder}/f{query}', data=data, headers={'If-Match': f'{etag(b"y")}, {etag(b"x")}'}), 412)
        problem(bed.http.put(f'{folder}/none{query}', data=data, headers={'If-Match': tags}), 412)
        assert bed.http.get(f'{folder}/f').content == old
    large = content(400_000, 3)
    for was, data in ((old, small), (small, old), (old, large)):
        assert bed.http.put(f'{folder}/f{query}', data=data, headers={'If-Match': tags}).status_code == 204, was
        assert bed.http.get(f'{folder}/f').content == data
    problem(bed.http.put(f'{folder}/f{query}', data=old, headers={'If-Match': tags}), 412)


def test_what_is_not_there_matches_nothing(bed, folder):
    assert bed.http.request('MKCOL', f'{folder}/dir/').status_code == 201
    for method, name in (('DELETE', 'none'), ('MOVE', 'none'), ('COPY', 'none'), ('DELETE', 'dir/')):
        for value in [etag(b'')] + ['*'] * (name == 'none'):
            headers = {'If-Match': value, 'Destination': urllib.parse.urlsplit(f'{folder}/to').path}
            problem(bed.http.request(method, f'{folder}/{name}', headers=headers), 412, 'PRECOND')
    problem(bed.http.delete(f'{folder}/dir/?recursive=1', headers={'If-None-Match': '*'}), 412)
    assert bed.http.delete(f'{folder}/dir/', headers={'If-Match': '*'}).status_code == 204


def test_digests_travel_both_ways(bed, folder):
    data = content(20_000)
    right = 'sha-256=:' + base64.b64encode(hashlib.sha256(data).digest()).decode() + ':'
    wrong = 'sha-256=:' + base64.b64encode(hashlib.sha256(b'').digest()).decode() + ':'
    problem(bed.http.put(f'{folder}/f', data=data, headers={'Repr-Digest': wrong}), 422, 'DIGEST')
    problem(bed.http.get(f'{folder}/f'), 404)
    problem(bed.http.put(f'{folder}/f', data=data, headers={'Content-Digest': 'sha-256=:x:'}), 400)
    assert bed.http.put(f'{folder}/f', data=data, headers={'Repr-Digest': right}).status_code == 201
    assert bed.http.get(f'{folder}/f', headers={'Want-Repr-Digest': 'sha-256=10'}).headers['Repr-Digest'] == right


def test_in_place_gives_nothing_up_for_a_wrong_digest(bed, folder):
    url, old = f'{folder}/f?in_place=1', content(100_000)
    wrong = {'Repr-Digest': 'sha-256=:' + base64.b64encode(hashlib.sha256(b'').digest()).decode() + ':'}
    assert bed.http.put(url, data=old).status_code == 201
    for data in (content(300, 2), content(300_000, 3), iter([b'in', b'chunks'])):
        assert 'untouched' in problem(bed.http.put(url, data=data, headers=wrong), 422, 'DIGEST')['detail']
        assert bed.http.get(url).content == old
    problem(bed.http.put(f'{folder}/new?in_place=1', data=b'x', headers=wrong), 422)
    problem(bed.http.get(f'{folder}/new'), 404)
    assert bed.http.put(url, data=b'new').status_code == 204
    assert bed.http.get(url).content == b'new'


def test_in_place_gives_nothing_up_for_half_a_body(bed, folder):
    old = content(5000)
    bed.http.put(f'{folder}/f', data=old)
    for sent in (1, 99_999):
        with connect(bed) as s:
            s.sendall(request_head(bed, 'PUT', f'{folder}/f?in_place=1', 'Content-Length: 100000') + content(sent, 9))
        assert bed.http.get(f'{folder}/f').content == old


def test_in_place_keeps_to_conditions(bed, folder):
    url, old, then = f'{folder}/f', content(50_000), 'Sun, 06 Nov 1994 08:49:37 GMT'
    in_place = url + '?in_place=1'
    assert bed.http.put(url, data=old, headers={'Last-Modified': then}).status_code == 201
    for data in (b'new', content(50_000, 2), iter([b'chunk'])):
        problem(bed.http.put(in_place, data=data, headers={'If-Match': etag(b'new')}), 412, 'PRECOND')
        assert bed.http.get(url).content == old
    for name, value in (('If-None-Match', '*'), ('If-Unmodified-Since', 'Sun, 06 Nov 1994 08:49:36 GMT')):
        problem(bed.http.put(in_place, data=b'new', headers={name: value}), 412, 'PRECOND')
        assert bed.http.get(url).content == old
    for value in (etag(b''), '*'):
        problem(bed.http.put(f'{folder}/none?in_place=1', data=b'new', headers={'If-Match': value}), 412, 'PRECOND')
        problem(bed.http.get(f'{folder}/none'), 404)
    assert bed.http.put(in_place, data=b'new', headers={'If-Match': etag(old)}).status_code == 204
    assert bed.http.get(url).content == b'new'
    assert bed.http.put(in_place, data=b'two', headers={'If-Match': etag(b'new')}).status_code == 204
    assert bed.http.put(f'{folder}/none?in_place=1', data=b'one', headers={'If-None-Match': '*'}).status_code == 201
    assert (bed.http.get(url).content, bed.http.get(f'{folder}/none').content) == (b'two', b'one')


def test_in_place_gives_nothing_up_for_what_does_not_fit(bed, folder):
    url, old = f'{folder}/keep', content(100_000)
    bed.http.put(f'{folder}/full', data=content(500_000, 2))
    bed.http.put(url, data=old)
    free = bed.http.get(bed.api('/devices/dev')).json()['volumes'][0]['free']
    large = content(free + len(old) + 8192, 3)
    assert len(large) < 1 << 20
    for data in (large, iter([large[:70_000], large[70_000:]])):
        assert 'given up' not in problem(bed.http.put(f'{url}?in_place=1', data=data), 507, 'NOSPC')['detail']
        assert bed.http.get(url).content == old
    problem(bed.http.put(f'{folder}/new?in_place=1', data=large), 507, 'NOSPC')
    problem(bed.http.get(f'{folder}/new'), 404)
    fits = large[:free + len(old) // 2]
    problem(bed.http.put(url, data=fits), 507, 'NOSPC')
    assert bed.http.put(f'{url}?in_place=1', data=fits).status_code == 204
    assert bed.http.get(url).content == fits


def test_modification_times(bed, folder):
    url = f'{folder}/f'
    assert bed.http.put(url, data=b'x', headers={'X-Flashport-Mtime': '784111777.5'}).status_code == 201
    assert bed.http.get(url).headers['Last-Modified'] == 'Sun, 06 Nov 1994 08:49:37 GMT'
    entry = bed.http.get(f'{folder}/').json()['entries'][0]
    assert entry['mtime'] == '1994-11-06T08:49:37.500Z'
    assert bed.http.get(url, headers={'If-Modified-Since': 'Sun, 06 Nov 1994 08:49:37 GMT'}).status_code == 304
    assert bed.http.get(url, headers={'If-Modified-Since': 'Sun, 06 Nov 1994 08:49:36 GMT'}).status_code == 200
    problem(bed.http.put(url, data=b'x', headers={'X-Flashport-Mtime': 'now'}), 400)


def test_free_space_is_that_of_now(bed, folder):
    def free():
        return bed.http.get(bed.api('/devices/dev')).json()['volumes'][0]['free']
    for i in range(3):
        before = free()
        assert bed.http.put(f'{folder}/f{i}', data=content(40_000, i)).status_code == 201
        assert before - free() >= 40_000


def test_what_breaks_off_in_place_says_what_is_gone(fresh):
    agent = fresh.agent('dev', blocks=256)
    fresh.line('dev', 115200)
    fresh.start_daemon()
    fresh.online('dev')
    url, flash = fresh.api('/devices/dev/fs/flash/f'), fresh.dir / 'dev.img'
    assert fresh.http.put(url, data=content(3000)).status_code == 201
    before = flash.read_bytes()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        put = pool.submit(fresh.http.put, url + '?in_place=1', data=content(600_000, 2))
        wait_for('the first bytes', lambda: flash.read_bytes() != before)
        agent.kill()
        doc = problem(put.result(), 503, 'NODEV')
    assert 'What the file held is given up' in doc['detail'], doc


def test_a_volume_under_restore_is_busy_not_absent(fresh):
    add_agent(fresh, 'dev', 'unix', blocks=256, timing='nor')
    fresh.start_daemon()
    fresh.online('dev')
    url = fresh.api('/devices/dev/fs/flash/f')
    assert fresh.http.put(url, data=content(300_000)).status_code == 201
    taken = fresh.backup('dev')['result']['snapshot']
    assert fresh.http.put(url, data=content(300_000, 1)).status_code == 204
    job = fresh.http.post(fresh.api(f'/snapshots/{taken}/restore'), json={'device': 'dev', 'storage': 'flash0'})

    def busy():
        reply = fresh.http.get(url)
        assert reply.status_code in (200, 409), reply.text
        return reply.status_code == 409 and problem(reply, 409, 'BUSY')
    assert 'restored' in wait_for('the restore', busy)['detail']
    problem(fresh.http.put(url, data=b'x'), 409, 'BUSY')
    assert fresh.job(job)['state'] == 'done'
    assert fresh.http.get(url).content == content(300_000)


def test_directories(bed, folder):
    problem(bed.http.request('MKCOL', f'{folder}/'), 409, 'EXIST')
    assert bed.http.put(f'{folder}/made/', data=b'').status_code == 201
    assert bed.http.post(f'{folder}/also?mkdir').status_code == 201
    bed.http.put(f'{folder}/made/f', data=b'1')
    problem(bed.http.get(f'{folder}/made'), 409, 'ISDIR')
    problem(bed.http.get(f'{folder}/made/f/'), 409, 'NOTDIR')
    problem(bed.http.put(f'{folder}/made/f/g', data=b''), 409, 'NOTDIR')
    problem(bed.http.put(f'{folder}/none/f', data=b''), 404, 'NOENT')
    problem(bed.http.delete(f'{folder}/made/'), 409, 'NOTEMPTY')
    problem(bed.http.delete(f'{folder}/made/f/'), 409, 'NOTDIR')
    assert bed.http.head(f'{folder}/made/').status_code == 200
    names = {e['name']: e['type'] for e in bed.http.get(f'{folder}/').json()['entries']}
    assert names == {'made': 'dir', 'also': 'dir'}
    bed.http.put(f'{folder}/made/deep/', data=b'')
    bed.http.put(f'{folder}/made/deep/g', data=b'2')
    assert bed.http.delete(f'{folder}/made/?recursive=1').status_code == 204
    problem(bed.http.get(f'{folder}/made/'), 404)


@pytest.mark.parametrize('value', ['no', 'False', 'NO', 'off', '00', '2', 'maybe', '%00', '0%'])
def test_what_is_no_yes_deletes_nothing(bed, folder, value):
    assert bed.http.request('MKCOL', f'{folder}/dir/').ok and bed.http.put(f'{folder}/dir/f', data=b'').ok
    bed.http.put(f'{folder}/old', data=b'old')
    for done in (bed.http.delete(f'{folder}/dir?recursive={value}'), bed.http.put(f'{folder}/old?in_place={value}', data=b'new'),
                 bed.http.get(f'{folder}/old?download={value}'), bed.http.post(f'{folder}/new?mkdir={value}')):
        assert re.search('1, 0, true or false', problem(done, 400, 'INVAL')['detail'])
    problem(bed.http.delete(f'{folder}/dir?recursive=0'), 409)
    assert bed.http.get(f'{folder}/dir/f').ok and bed.http.get(f'{folder}/old').content == b'old'
    assert bed.http.delete(f'{folder}/dir?recursive=true').status_code == 204


def test_a_part_is_not_put_for_the_whole(bed, folder, curl, tmp_path):
    (tmp_path / 'f').write_bytes(content(9000))
    for url in (f'{folder}/f', bed.api('/devices/dev/storages/flash0/image')):
        status, body = curl('-C', '4000', '-T', tmp_path / 'f', url)
        assert status == 400 and b'Content-Range' in body
    problem(bed.http.get(f'{folder}/f'), 404)
    bed.http.put(f'{folder}/f', data=b'old')
    doc = problem(bed.http.put(f'{folder}/f?in_place=1', data=b'x', headers={'Content-Range': 'bytes 5-5/9000'}), 400)
    assert 'all of it' in doc['hint']
    assert bed.http.get(f'{folder}/f').content == b'old'


def test_a_listing_comes_in_pages(bed, folder):
    for i in range(7):
        bed.http.put(f'{folder}/f{i}', data=b'x' * i)
    seen, cursor = [], ''
    while cursor is not None:
        page = bed.http.get(f'{folder}/', params={'limit': 3, 'cursor': cursor}).json()
        assert len(page['entries']) <= 3
        seen += [(e['name'], e['size']) for e in page['entries']]
        cursor = page.get('next')
    assert sorted(seen) == [(f'f{i}', i) for i in range(7)]
    problem(bed.http.get(f'{folder}/?cursor=x'), 400)


def test_move_and_copy(bed, folder):
    a, b = content(5000, 1), content(5000, 2)
    bed.http.put(f'{folder}/a', data=a)
    bed.http.put(f'{folder}/b', data=b)
    path = urllib.parse.urlsplit(folder).path

    def to(name, **more):
        return {'Destination': f'{path}/{name}', **more}
    problem(bed.http.request('MOVE', f'{folder}/a', headers=to('b', Overwrite='F')), 412)
    assert bed.http.request('MOVE', f'{folder}/a', headers=to('c')).status_code == 201
    assert bed.http.request('COPY', f'{folder}/c', headers=to('d')).status_code == 201
    assert bed.http.request('COPY', f'{folder}/c', headers=to('b')).status_code == 204
    problem(bed.http.request('COPY', f'{folder}/c', headers=to('b', Overwrite='F')), 412)
    assert [bed.http.get(f'{folder}/{n}').status_code for n in 'abcd'] == [404, 200, 200, 200]
    assert all(bed.http.get(f'{folder}/{n}').content == a for n in 'bcd')
    assert bed.http.request('MOVE', f'{folder}/c', headers={'Destination': f'{folder}/b'}).status_code == 204
    problem(bed.http.request('MOVE', f'{folder}/none', headers=to('e')), 404)
    problem(bed.http.request('MOVE', f'{folder}/b'), 400)
    problem(bed.http.request('MOVE', f'{folder}/b', headers={'Destination': '/elsewhere'}), 400)
    problem(bed.http.request('COPY', f'{folder}/b', headers=to('b')), 403)


def test_a_destination_is_on_the_same_device_of_the_same_server(bed, folder):
    bed.http.put(f'{folder}/a', data=b'1')
    url = urllib.parse.urlsplit(folder)

    def moved(method, to, **headers):
        return bed.http.request(method, f'{folder}/a', headers={'Destination': to, **headers})
    for method in ('MOVE', 'COPY'):
        for host in ('evil.example:9', '127.0.0.1:9', 'localhost', f'{url.netloc}@evil.example', f'evil.example@{url.netloc}', ''):
            problem(moved(method, f'http://{host}{url.path}/b'), 502)
        problem(moved(method, f'http://{url.netloc}{url.path.replace("/dev/", "/other/")}/b'), 502)
        for path in (url.path.replace('/v1/', '/v7/'), url.path.replace('/devices/', '/nodes/'), url.path.replace('/fs/', '/volumes/')):
            problem(moved(method, f'{path}/b'), 400)
            problem(moved(method, f'http://{url.netloc}{path}/b'), 400)
    assert [e['name'] for e in bed.http.get(f'{folder}/').json()['entries']] == ['a']
    assert moved('COPY', f'https://{url.netloc}{url.path}/b').status_code == 201  # a proxy that speaks TLS
    assert moved('MOVE', f'HTTP://LOCALHOST:1{url.path}/c', Host='localhost:1').status_code == 201


def test_a_destination_by_the_name_of_a_proxy(fresh):
    """The proxy puts its own address into Host and leaves Destination as the client wrote it."""
    add_agent(fresh, 'dev', 'unix')
    fresh.start_daemon('--host-name', 'flash.example')
    fresh.online('dev')
    url, path = fresh.api('/devices/dev/fs/flash/a'), '/api/v1/devices/dev/fs/flash/b'
    assert fresh.http.put(url, data=b'1').status_code == 201
    problem(fresh.http.request('MOVE', url, headers={'Destination': f'https://flash.example.org{path}'}), 502)
    assert fresh.http.request('MOVE', url, headers={'Destination': f'https://flash.example{path}'}).status_code == 201


# --- names -------------------------------------------------------------------


@pytest.mark.parametrize('name', [b'a b', b'%41', b'\xc3\xa4', b'\xff\xfe', b'<script>', b'"\\', b'x\ny', b'...', b'a' * 200])
def test_hostile_names_round_trip(bed, folder, name):
    url = f'{folder}/' + urllib.parse.quote_from_bytes(name, safe='')
    assert bed.http.put(url, data=name).status_code == 201
    entry, = bed.http.get(f'{folder}/').json()['entries']
    assert urllib.parse.unquote_to_bytes(entry['href'].rsplit('/', 1)[1]) == name
    assert bed.http.get(bed.url + entry['href']).content == name
    try:
        assert entry['name'] == name.decode() and 'name_hex' not in entry
    except UnicodeDecodeError:
        assert bytes.fromhex(entry['name_hex']) == name and '\ufffd' in entry['name']


@pytest.mark.parametrize('path, status', [
    ('/flash/../flash/x', 400), ('/flash/%2e%2e/x', 400), ('/flash/./x', 400), ('/flash/a%00b', 400), ('/flash/a%2fb', 400),
    ('/flash//x', 400), ('/flash/%zz', 400), ('/flash/%252e%252e', 404), ('/flash/' + 'a' * 256, 422), ('/flash/' + 'a/' * 300 + 'a', 422),
    ('/flash/' + 'a' * 10_000, 414), ('/nowhere/x', 404)],
    ids=lambda value: str(value)[:24])
def test_bad_paths(bed, curl, path, status):
    got, body = curl(bed.api('/devices/dev/fs') + path)
    assert got == status, body
    assert json.loads(body)['status'] == status


def test_content_of_devices_can_not_run_as_a_page(bed, folder):
    bed.http.put(f'{folder}/x.html', data=b'<script>alert(1)</script>')
    got = bed.http.get(f'{folder}/x.html')
    assert got.headers['Content-Type'] == 'application/octet-stream'
    assert all(h in got.headers for h in HEADERS)
    got = bed.http.get(f'{folder}/x.html?download')
    assert got.headers['Content-Disposition'] == "attachment; filename*=UTF-8''x.html"


# --- space -------------------------------------------------------------------


def test_a_full_volume_keeps_what_it_had(bed, folder):
    old = content(1000)
    bed.http.put(f'{folder}/f', data=old)
    doc = problem(bed.http.put(f'{folder}/f', data=content(2 << 20)), 507, 'NOSPC')
    assert doc['needed'] == 2 << 20 and 0 < doc['free'] < 1 << 20
    doc = problem(bed.http.put(f'{folder}/f', data=content((1 << 20) - 4096)), 507, 'NOSPC')
    assert doc['needed'] >= (1 << 20) - 4096
    assert bed.http.get(f'{folder}/f').content == old
    assert bed.http.put(f'{folder}/g', data=b'still works').status_code == 201


# --- many at once, and those who leave ---------------------------------------


def test_many_clients_at_once(bed, folder):
    files = {f'f{i}': content(20_000 + i, i) for i in range(12)}

    def round_trip(item):
        name, data = item
        with requests.Session() as s:
            s.headers.update(bed.http.headers)
            assert s.put(f'{folder}/{name}', data=data).status_code == 201
            return s.get(f'{folder}/{name}').content == data
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        assert all(pool.map(round_trip, files.items()))


def connect(bed):
    url = urllib.parse.urlsplit(bed.url)
    return socket.create_connection((url.hostname, url.port))


def request_head(bed, method, url, *more):
    parts = urllib.parse.urlsplit(url)
    path = parts.path + ('?' + parts.query if parts.query else '')
    lines = [f'{method} {path} HTTP/1.1', 'Host: localhost', f'Authorization: {bed.http.headers["Authorization"]}', *more, '', '']
    return '\r\n'.join(lines).encode()


def test_a_client_that_leaves_half_way_leaves_the_old_file(bed, folder):
    old = content(5000)
    bed.http.put(f'{folder}/f', data=old)
    for sent in (0, 1, 1000, 99_999):
        with connect(bed) as s:
            s.sendall(request_head(bed, 'PUT', f'{folder}/f', 'Content-Length: 100000') + content(sent, 9))
        got = bed.http.get(f'{folder}/f')
        assert got.status_code == 200, got.text
        assert got.content == old
    assert [e['name'] for e in bed.http.get(f'{folder}/').json()['entries']] == ['f']


def test_a_client_that_does_not_read_holds_up_nobody(bed, folder):
    data = content(400_000)
    reply = bed.http.put(f'{folder}/big', data=data)
    assert reply.status_code == 201, reply.text
    idle = []
    for _ in range(3):
        s = connect(bed)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.sendall(request_head(bed, 'GET', f'{folder}/big'))
        idle.append(s)
    assert bed.http.put(f'{folder}/small', data=b'x', timeout=30).status_code == 201
    assert bed.http.get(f'{folder}/small', timeout=30).content == b'x'
    for s in idle:
        s.close()
    assert bed.http.get(f'{folder}/big', timeout=30).content == data


@pytest.mark.parametrize('raw, status', [
    (b'GET /healthz HTTP/1.1\r\n\r\n', 400), (b'GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n', 421),
    (b'PUT /api/v1/devices HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n', 400),
    (b'GET ' + b'/a' * 40_000 + b' HTTP/1.1\r\nHost: localhost\r\n\r\n', 414),
    (b'GET / HTTP/1.1\r\nHost: localhost\r\nX: ' + b'a' * 200_000 + b'\r\n\r\n', 431)])
def test_broken_requests(bed, raw, status):
    with connect(bed) as s:
        s.settimeout(20)
        try:
            s.sendall(raw)
            answer = s.recv(4096)
        except ConnectionError:
            answer = b''
    # What libmicrohttpd cannot parse it may also just hang up on.
    assert not answer or int(answer.split()[1]) in (status, 400, 413, 431), answer[:200]
    assert bed.http.get(f'{bed.url}/healthz').status_code == 200


def test_a_byte_now_and_then_keeps_no_connection(fresh):
    """Neither in the first line, nor in a header, nor in a body that is refused. A silent one is kept between two requests."""
    fresh.start_daemon()
    with connect(fresh) as idle:
        idle.sendall(request_head(fresh, 'GET', '/healthz'))
        assert idle.recv(4096).startswith(b'HTTP/1.1 200')
        slow = {connect(fresh): begin for begin in (b'GET /', b'GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: ',
                                                  b'PUT /api/v1/devices HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n')}
        for s, begin in slow.items():
            s.settimeout(0.01)
            s.sendall(begin)

        def all_ended():
            for s in list(slow):
                try:
                    s.sendall(b'a')
                    assert s.recv(4096) == b''
                except TimeoutError:
                    continue
                except ConnectionError:
                    pass
                s.close()
                del slow[s]
            return not slow
        wait_for('the end of them', all_ended, 45)
        idle.sendall(request_head(fresh, 'GET', '/healthz'))
        assert idle.recv(4096).startswith(b'HTTP/1.1 200')


def test_one_host_takes_not_all_connections(fresh):
    fresh.start_daemon()
    held = []
    try:
        for _ in range(600):
            held.append(connect(fresh))
            held[-1].sendall(b'GET /healthz HTTP/1.1\r\n')
    except OSError:
        pass
    url = urllib.parse.urlsplit(fresh.url)
    with socket.create_connection((url.hostname, url.port), timeout=5, source_address=('127.0.0.2', 0)) as other:
        other.sendall(request_head(fresh, 'GET', '/healthz'))
        assert other.recv(4096).startswith(b'HTTP/1.1 200')
    for s in held:
        s.close()
    wait_for('room', lambda: subprocess.run(['curl', '-sf', f'{fresh.url}/healthz'], capture_output=True).returncode == 0)


def test_a_hundred_curls_at_once(bed, folder, tmp_path):
    """From one host, as a build server does it; the device's queue is shorter, and says so."""
    (tmp_path / 'f').write_bytes(content(1000))
    args = ['curl', '-sf', '--retry', '30', '-T', tmp_path / 'f', '-H', f'Authorization: {bed.http.headers["Authorization"]}']
    running = [subprocess.Popen([*args, f'{folder}/f{i}']) for i in range(100)]
    assert [curl.wait(120) for curl in running] == [0] * 100
    assert all(bed.http.get(f'{folder}/f{i}').content == content(1000) for i in range(100))


AMBIGUOUS = {
    'two lengths': (b'PUT', b'Content-Length: 5\r\nContent-Length: 50\r\n', b'hello'),
    'the same length twice': (b'PUT', b'Content-Length: 5\r\nContent-Length: 5\r\n', b'hello'),
    'a length and chunks': (b'PUT', b'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n', b'5\r\nhello\r\n0\r\n\r\n'),
    'chunks and a length': (b'PUT', b'Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', b'5\r\nhello\r\n0\r\n\r\n'),
    'chunks twice': (b'PUT', b'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', b'5\r\nhello\r\n0\r\n\r\n'),
    'no encoding': (b'PUT', b'Transfer-Encoding: identity\r\n', b'hello'), 'nearly chunked': (b'PUT', b'Transfer-Encoding: xchunked\r\n', b'hello'),
    'a space before the colon': (b'PUT', b'Content-Length : 5\r\n', b'hello'),
    'a folded length': (b'PUT', b'Content-Length:\r\n 5\r\n', b'hello'), 'a length and more': (b'PUT', b'Content-Length: 5\r\n 0\r\n', b'hello'),
    'a folded encoding': (b'PUT', b'Transfer-Encoding:\r\n chunked\r\n', b'5\r\nhello\r\n0\r\n\r\n'),
    'two hosts': (b'GET', b'Host: evil.example\r\n', b''), 'the same host twice': (b'GET', b'Host: localhost\r\n', b''),
}


@pytest.mark.parametrize('what', AMBIGUOUS)
def test_what_can_be_read_in_two_ways_is_not_read_at_all(bed, folder, what):
    """One answer, 400, and the end: what follows is no second request."""
    method, headers, body = AMBIGUOUS[what]
    with connect(bed) as s:
        s.settimeout(20)
        s.sendall(request_head(bed, method.decode(), f'{folder}/f')[:-2] + headers + b'\r\n' + body +
                  b'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')
        answer = b''
        try:
            for part in iter(lambda: s.recv(65536), b''):
                answer += part
        except ConnectionResetError:
            pass
    assert answer.startswith(b'HTTP/1.1 400 ') and answer.count(b'HTTP/1.1') == 1, answer[:400]
    problem(bed.http.get(f'{folder}/f'), 404)


# --- who may -----------------------------------------------------------------


def test_nothing_without_a_token(bed):
    for path in ('/api/v1', '/api/v1/devices', '/api/v1/nothing', '/metrics', '/api/v1/devices/dev/fs/'):
        reply = requests.get(bed.url + path)
        problem(reply, 401)
        assert reply.headers['WWW-Authenticate'].startswith('Bearer')
        problem(requests.get(bed.url + path, headers={'Authorization': 'Bearer fp_wrong'}), 401)
        problem(requests.get(bed.url + path, headers={'Authorization': 'Basic YTpi'}), 401)
    assert requests.get(bed.url + '/healthz').text == 'ok\n'
    page = requests.get(bed.url + '/')
    assert page.status_code == 200 and all(h in page.headers for h in HEADERS)


def test_scopes_and_devices_of_tokens(bed, folder):
    def token(**body):
        reply = bed.http.post(bed.api('/tokens'), json={'name': 't', **body})
        assert reply.status_code == 201, reply.text
        session = requests.Session()
        session.headers['Authorization'] = 'Bearer ' + reply.json()['token']
        return session, reply.json()['id']
    reader, reader_id = token(scope='read')
    other, _ = token(scope='write', devices=['other'])
    assert reader.get(f'{folder}/').status_code == 200
    problem(reader.put(f'{folder}/f', data=b''), 403)
    problem(reader.delete(f'{folder}/'), 403)
    problem(reader.get(bed.api('/tokens')), 403)
    assert other.get(bed.api('/devices')).json()['devices'] == []
    problem(other.get(f'{folder}/'), 404)
    problem(other.post(bed.api('/snapshots'), json={'device': 'dev', 'storage': 'flash0'}), 404)
    listed = bed.http.get(bed.api('/tokens')).json()['tokens']
    assert reader_id in [t['id'] for t in listed] and 'token' not in listed[0]
    assert bed.http.delete(bed.api(f'/tokens/{reader_id}')).status_code == 204
    problem(reader.get(f'{folder}/'), 401)
    for bad in ({'name': 't', 'scope': 'root'}, {'scope': 'read'}, {'name': 't', 'scope': 'read', 'expires_in_s': 0},
                {'name': 't', 'scope': 'admin', 'devices': []}, {'name': 't', 'scope': 'read', 'devices': ['']}):
        problem(bed.http.post(bed.api('/tokens'), json=bad), 400)


def as_token(bed, **body):
    """A session that carries a new token."""
    reply = bed.http.post(bed.api('/tokens'), json={'name': 't', **body})
    assert reply.status_code == 201, reply.text
    session = requests.Session()
    session.headers['Authorization'] = 'Bearer ' + reply.json()['token']
    return session


def test_a_token_for_one_device_stays_in_it(bed):
    """Not even an admin's, if it names devices, reaches the others or makes itself a wider one."""
    taken = bed.backup('dev')['result']['snapshot']
    bed.http.patch(bed.api('/devices/dev'), json={'label': 'hidden'})
    other = as_token(bed, scope='admin', devices=['other'])
    mine = as_token(bed, scope='admin', devices=['dev'])
    for session in (other, mine):
        problem(session.post(bed.api('/tokens'), json={'name': 'all', 'scope': 'admin'}), 403)
        problem(session.get(bed.api('/tokens')), 403)
        problem(session.post(bed.api('/store/prune')), 403)
    assert 'dev' not in problem(other.get(bed.api('/devices/hidden')), 404)['detail'].replace('device', '')
    assert 'device="dev"' in mine.get(bed.url + '/metrics').text
    assert 'device="dev"' not in other.get(bed.url + '/metrics').text
    bed.http.patch(bed.api('/devices/dev'), json={'label': None})

    snapshot = bed.api(f'/snapshots/{taken}')
    for path in ('', '/image', '/fs/'):
        assert mine.get(snapshot + path).status_code == 200
        problem(other.get(snapshot + path), 404)
    verify = mine.post(f'{snapshot}/verify')
    job = bed.url + verify.headers['Location']
    assert mine.get(job).status_code == 200
    problem(other.get(job), 404)
    problem(other.post(f'{job}/cancel'), 404)
    assert verify.json()['id'] not in [j['id'] for j in other.get(bed.api('/jobs')).json()['jobs']]
    bed.job(verify)
    whole = bed.http.post(bed.api('/store/verify'))
    problem(mine.delete(bed.url + whole.headers['Location']), 404)
    bed.job(whole)


def test_a_device_that_takes_the_label_of_another_gets_nothing_of_it(fresh):
    """A device chooses its id itself. Whoever sees only one of the two means that one."""
    agents = {name: add_agent(fresh, name, 'unix') for name in ('ours', 'bench')}
    agents['bench'].kill()
    fresh.start_daemon()
    fresh.online('ours')
    assert fresh.http.patch(fresh.api('/devices/ours'), json={'label': 'bench'}).status_code == 200
    assert fresh.http.put(fresh.api('/devices/bench/fs/flash/f'), data=b'ours').status_code == 201
    agents['bench'].restart()
    wait_for('the other', lambda: [d['id'] for d in fresh.http.get(fresh.api('/devices')).json()['devices']] == ['bench', 'ours'])
    url = fresh.api('/devices/bench')
    for reply in (fresh.http.get(url), fresh.http.put(f'{url}/fs/flash/g', data=b'secret'), fresh.http.get(f'{url}/fs/flash/f'),
                  fresh.http.post(fresh.api('/snapshots'), json={'device': 'bench', 'storage': 'flash0'}),
                  fresh.http.get(fresh.api('/snapshots?device=bench')), fresh.http.get(fresh.api('/jobs?device=bench'))):
        doc = problem(reply, 409)
        assert doc['type'] == '/errors/ambiguous-device' and doc['devices'] == ['bench', 'ours'], doc
    taken = fresh.backup('ours')['result']['snapshot']
    problem(fresh.http.post(fresh.api(f'/snapshots/{taken}/restore'), json={'device': 'bench', 'storage': 'flash0'}), 409)
    assert as_token(fresh, scope='read', devices=['ours']).get(f'{url}/fs/flash/f').content == b'ours'
    assert as_token(fresh, scope='read', devices=['bench']).get(url).json()['id'] == 'bench'
    assert fresh.http.patch(fresh.api('/devices/ours'), json={'label': 'desk'}).status_code == 200
    fresh.online('bench')
    assert fresh.http.get(f'{url}/fs/flash/').json()['entries'] == []


def test_logins_of_others_end_no_session(fresh):
    fresh.start_daemon()
    admin, reader, second = requests.Session(), as_token(fresh, scope='read'), requests.Session()
    assert admin.get(f'{fresh.url}/?login', headers=fresh.http.headers).status_code == 204
    first = reader.get(f'{fresh.url}/?login').headers['Set-Cookie'].split(';')[0]
    for _ in range(70):
        assert reader.get(f'{fresh.url}/?login').status_code == 204
    assert second.get(f'{fresh.url}/?login', headers=fresh.http.headers).status_code == 204
    for session in (admin, second):
        assert session.get(fresh.api('/tokens')).status_code == 200
    assert reader.get(fresh.api('/devices')).status_code == 200
    problem(requests.get(fresh.api('/devices'), headers={'Cookie': first}), 401)


def test_a_login_beside_the_end_of_its_token_leaves_no_session(fresh):
    """Which of the two comes first is a race: many of them."""
    fresh.start_daemon()
    host = urllib.parse.urlsplit(fresh.url).netloc
    clients = [http.client.HTTPConnection(host) for _ in range(8)]

    def cookies(client, token, together):
        together.wait()
        while True:
            client.request('GET', '/?login', headers={'Authorization': f'Bearer {token}'})
            reply = client.getresponse()
            reply.read()
            if reply.status != 204:
                return
            yield reply.headers['Set-Cookie'].split(';')[0]
    with concurrent.futures.ThreadPoolExecutor(len(clients)) as pool:
        for _ in range(200):
            made, together = fresh.http.post(fresh.api('/tokens'), json={'name': 't', 'scope': 'read'}).json(), threading.Barrier(len(clients) + 1)
            got = [pool.submit(list, cookies(client, made['token'], together)) for client in clients]
            together.wait()
            assert fresh.http.delete(fresh.api(f'/tokens/{made["id"]}')).status_code == 204
            for cookie in [cookie for one in got for cookie in one.result()[-1:]]:
                problem(requests.get(fresh.api('/devices'), headers={'Cookie': cookie}), 401)


def test_a_session_ends_with_its_token(bed):
    made = bed.http.post(bed.api('/tokens'), json={'name': 't', 'scope': 'read', 'expires_in_s': 2}).json()['token']
    browser = requests.Session()
    assert browser.get(f'{bed.url}/?token={made}', allow_redirects=False).status_code == 303
    bearer = {'Authorization': f'Bearer {made}'}
    wait_for('the end of the token', lambda: requests.get(bed.api('/devices'), headers=bearer).status_code == 401)
    problem(browser.get(bed.api('/devices')), 401)


def test_the_url_that_is_printed_opens(bed, folder):
    shown = re.search(r'http://\S+/\?token=\S+', bed.daemon.output()).group()
    browser = requests.Session()
    first = browser.get(shown, allow_redirects=False)
    assert first.status_code == 303 and first.headers['Location'] == '/'
    cookie = first.headers['Set-Cookie']
    assert 'HttpOnly' in cookie and 'SameSite=Strict' in cookie
    assert browser.get(bed.api('/devices')).status_code == 200
    problem(browser.put(f'{folder}/f', data=b''), 403)
    problem(browser.put(f'{folder}/f', data=b'', headers={'Origin': 'http://evil.example'}), 403)
    assert browser.put(f'{folder}/f', data=b'', headers={'Origin': bed.url}).status_code == 201
    problem(requests.get(f'{bed.url}/?token=fp_wrong', allow_redirects=False), 401)


def test_the_socket_needs_no_token_from_its_owner(bed):
    done = subprocess.run(['curl', '-sS', '--unix-socket', str(bed.dir / 'd.sock'), 'http://any/api/v1/devices'], capture_output=True, timeout=30)
    assert [d['id'] for d in json.loads(done.stdout)['devices']] == ['dev']
    assert (bed.dir / 'd.sock').stat().st_mode & 0o777 == 0o600
    assert (bed.dir / 'store' / 'admin.token').stat().st_mode & 0o777 == 0o600


# --- the rest of the tree ----------------------------------------------------


def test_methods(bed):
    reply = bed.http.request('FOO', bed.api('/devices'))
    problem(reply, 405)
    assert reply.headers['Allow'] == 'GET, HEAD, OPTIONS'
    reply = bed.http.options(bed.api('/devices/dev/fs/flash'))
    assert reply.status_code == 204 and {'PUT', 'MOVE', 'MKCOL'} <= set(reply.headers['Allow'].split(', '))
    problem(bed.http.get(bed.api('/no/such')), 404)
    problem(bed.http.get(bed.api('/devices/none')), 404)


def test_bodies_that_are_no_json(bed):
    for data, headers, status in ((b'{', JSON, 400), (b'[]', JSON, 400), (b'{"device":1,"device":2}', JSON, 400),
                                  (b'{}', {'Content-Type': 'text/plain'}, 415), (b'x' * 70_000, JSON, 413), (b'{}', JSON, 400)):
        problem(bed.http.post(bed.api('/snapshots'), data=data, headers=headers), status)


def test_labels_and_tags(bed):
    url = bed.api('/devices/dev')
    assert bed.http.patch(url, json={'label': 'über eins', 'tags': ['a', 'b c']}).json()['label'] == 'über eins'
    device = bed.http.get(bed.api('/devices/' + urllib.parse.quote('über eins'))).json()
    assert device['id'] == 'dev' and device['tags'] == ['a', 'b c']
    for bad in ({'label': 'a/b'}, {'label': 7}, {'tags': 'a'}, {'tags': ['']}, {'id': 'x'}):
        problem(bed.http.patch(url, json=bad), 400)
    assert bed.http.patch(url, json={'label': None, 'tags': []}).json()['label'] is None
    problem(bed.http.delete(url), 409, 'BUSY')


def test_snapshots_from_take_to_delete(bed, folder, tmp_path):
    data = content(60_000)
    path = urllib.parse.urlsplit(folder).path.split('/fs/flash')[1]
    bed.http.put(f'{folder}/f', data=data)
    job = bed.job(bed.http.post(bed.api('/snapshots'), json={'device': 'dev', 'storage': 'flash0', 'tags': ['t']}))
    assert job['state'] == 'done', job
    url = bed.api('/snapshots/' + job['result']['snapshot'])
    snapshot = bed.http.get(url).json()
    assert (snapshot['device'], snapshot['storage'], snapshot['complete'], snapshot['tags']) == ('dev', 'flash0', True, ['t'])
    assert snapshot['id'] in [s['id'] for s in bed.http.get(bed.api('/snapshots?device=dev')).json()['snapshots']]

    image = bed.http.get(f'{url}/image')
    assert len(image.content) == snapshot['size'] == 1 << 20
    assert image.content == (bed.dir / 'dev.img').read_bytes() == bed.http.get(bed.api('/devices/dev/storages/flash0/image')).content
    part = bed.http.get(f'{url}/image', headers={'Range': 'bytes=4000-5000'})
    assert part.status_code == 206 and part.content == image.content[4000:5001]
    assert bed.http.get(f'{url}/image', headers={'If-None-Match': image.headers['ETag']}).status_code == 304

    assert bed.http.get(f'{url}/fs{path}/f').content == data
    assert bed.http.get(f'{url}/fs{path}/f', headers={'Range': 'bytes=-9'}).content == data[-9:]
    assert [e['name'] for e in bed.http.get(f'{url}/fs{path}/').json()['entries']] == ['f']
    problem(bed.http.get(f'{url}/fs/none'), 404)
    problem(bed.http.get(f'{url}/fs{path}'), 409, 'ISDIR')

    bed.http.put(f'{folder}/f', data=b'changed')
    job = bed.job(bed.http.post(f'{url}/restore', json={'device': 'dev', 'storage': 'flash0'}))
    assert job['state'] == 'done', job
    assert bed.http.get(f'{folder}/f').content == data
    job = bed.job(bed.http.post(f'{url}/verify'))
    assert job['state'] == 'done', job

    assert bed.http.patch(url, json={'pinned': True}).json()['pinned'] is True
    problem(bed.http.delete(url), 403)
    bed.http.patch(url, json={'pinned': False})
    assert bed.http.delete(url).status_code == 204
    problem(bed.http.get(url), 404)
    problem(bed.http.get(f'{url}/image'), 404)
    problem(bed.http.get(f'{url}/fs/'), 404)


def test_files_of_a_snapshot_have_tags(bed, folder):
    data = content(20_000)
    bed.http.put(f'{folder}/f', data=data)
    path = folder.split('/fs/flash')[1]
    url = bed.api(f'/snapshots/{bed.backup("dev")["result"]["snapshot"]}/fs{path}/f')
    tag = bed.http.get(url).headers['ETag']
    assert bed.http.get(url, headers={'If-None-Match': tag}).status_code == 304
    assert bed.http.get(url, headers={'If-None-Match': '"x"'}).content == data
    part = bed.http.get(url, headers={'If-Range': tag, 'Range': 'bytes=5-9'})
    assert part.status_code == 206 and part.content == data[5:10]
    assert bed.http.get(url, headers={'If-Range': '"x"', 'Range': 'bytes=5-9'}).content == data
    problem(bed.http.get(url + 'x', headers={'If-None-Match': tag}), 404)


def test_regions_of_a_restore_are_names(bed):
    url = bed.api(f'/snapshots/{bed.backup("dev")["result"]["snapshot"]}/restore')
    for bad in ('fs', [1], ['r'] * 17):
        problem(bed.http.post(url, json={'regions': bad}), 400)


def test_part_of_an_image_is_not_sent_for_another(bed):
    """A client that goes on with a download says what it has a part of; the flash may have changed since."""
    url = bed.api('/devices/dev/storages/flash0/image')
    part = bed.http.get(url, headers={'Range': 'bytes=4000-5000'})
    assert part.status_code == 206 and part.headers['Content-Range'] == f'bytes 4000-5000/{1 << 20}'
    whole = bed.http.get(url, headers={'Range': 'bytes=4000-5000', 'If-Range': '"another"'})
    assert whole.status_code == 200 and len(whole.content) == 1 << 20
    head = bed.http.head(url, headers={'Range': 'bytes=4000-5000'})
    assert head.status_code == 200 and head.headers['Content-Length'] == str(1 << 20)


def test_an_uploaded_image_is_restored(bed, folder):
    bed.http.put(f'{folder}/f', data=b'one')
    url = bed.api('/devices/dev/storages/flash0/image')
    image = bed.http.get(url).content
    bed.http.put(f'{folder}/f', data=b'two')
    job = bed.job(bed.http.put(url, data=image))
    assert job['state'] == 'done', job
    assert bed.http.get(f'{folder}/f').content == b'one'
    problem(bed.http.put(url, data=image + b'x'), 413)
    for short in (b'x', image[:-1]):
        detail = problem(bed.http.put(url, data=short), 400, 'INVAL')['detail']
        assert str(len(short)) in detail and str(len(image)) in detail
    assert bed.http.get(url).content == image
    problem(bed.http.put(url, data=iter([b'x'])), 411)
    problem(bed.http.get(bed.api('/devices/dev/storages/none')), 404)


def test_storages_and_volumes(bed):
    storage = bed.http.get(bed.api('/devices/dev/storages/flash0')).json()
    assert (storage['size'], storage['block_size'], storage['chunk_size']) == (1 << 20, 4096, 4096)
    assert storage['use']['erases'] >= 0
    url = bed.api('/devices/dev/volumes/flash')
    found = bed.http.post(url, json={'action': 'check'}).json()
    assert found['errors'] == 0, found
    problem(bed.http.post(url, json={'action': 'explode'}), 400)
    problem(bed.http.post(url, json={'action': 'format'}), 400)


def test_jobs_are_listed_and_unknown_things_are_404(bed):
    bed.backup('dev')
    jobs = bed.http.get(bed.api('/jobs?device=dev&limit=1')).json()
    assert len(jobs['jobs']) == 1 and jobs['next'] == jobs['jobs'][0]['id']
    log = bed.http.get(bed.api(f'/jobs/{jobs["jobs"][0]["id"]}/log')).json()
    assert isinstance(log['log'], list)
    problem(bed.http.delete(bed.api(f'/jobs/{jobs["jobs"][0]["id"]}')), 409)
    for path in ('/jobs/nope', '/jobs/nope/log', '/snapshots/nope', '/snapshots/nope/fs/', '/snapshots/nope/image'):
        problem(bed.http.get(bed.api(path)), 404)
    problem(bed.http.delete(bed.api('/tokens/nope')), 404)
    problem(bed.http.post(bed.api('/snapshots'), json={'device': 'none', 'storage': 'flash0'}), 404)


def test_events_tell_what_changes(bed, folder):
    with bed.http.get(bed.api('/events'), stream=True, timeout=30) as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith(b':')
        bed.http.patch(bed.api('/devices/dev'), json={'tags': ['seen']})
        for line in lines:
            if line.startswith(b'data: ') and json.loads(line[6:]).get('tags') == ['seen']:
                break


def test_metrics_and_openapi(bed):
    text = bed.http.get(f'{bed.url}/metrics').text
    assert 'flashport_link_up{' in text and re.search(r'^flashport_store_snapshots \d+$', text, re.M)
    spec = bed.http.get(bed.api('/openapi.json')).json()
    assert spec['openapi'].startswith('3.') and '/api/v1/devices' in spec['paths']


# --- devices that go, daemons that stop --------------------------------------


def test_a_device_that_is_away(fresh):
    agent = add_agent(fresh, 'dev', 'unix')
    fresh.start_daemon()
    fresh.online('dev')
    url = fresh.api('/devices/dev/fs/flash/f')
    data = content(30_000)
    assert fresh.http.put(url, data=data).status_code == 201
    agent.kill()
    wait_for('the loss', lambda: fresh.http.get(fresh.api('/devices/dev')).json()['state'] not in ('online', 'busy'))
    doc = problem(fresh.http.get(url), 503, 'NODEV')
    assert doc['device'] == 'dev' and doc['retry_after_s'] > 0
    problem(fresh.http.put(url, data=b'x'), 503)
    (fresh.dir / 'dev.unix').unlink(missing_ok=True)
    agent.start()
    fresh.online('dev')
    assert fresh.http.get(url).content == data
    agent.kill()
    wait_for('the loss', lambda: fresh.http.get(fresh.api('/devices/dev')).json()['state'] not in ('online', 'busy'))
    fresh.daemon.stop()
    fresh.restart_daemon()
    known = fresh.http.get(fresh.api('/devices/dev')).json()
    assert known['state'] != 'online' and known['model'] == 'posix'
    problem(fresh.http.get(fresh.api('/devices/dev/fs/flash/f')), 503, 'NODEV')
    assert fresh.http.delete(fresh.api('/devices/dev')).status_code == 204
    problem(fresh.http.get(fresh.api('/devices/dev')), 404)


def test_the_daemon_stops_in_order_whatever_goes_on(fresh):
    """Waiting uploads, unread downloads, events: none keeps it, none breaks it."""
    add_agent(fresh, 'dev', 'unix', blocks=512, timing='nor')
    fresh.start_daemon()
    fresh.online('dev')
    base = fresh.api('/devices/dev/fs/flash')
    data = content(500_000)
    assert fresh.http.put(f'{base}/f', data=data).status_code == 201
    clients = []
    for head in (request_head(fresh, 'GET', f'{base}/f'), request_head(fresh, 'GET', fresh.api('/events')),
                 request_head(fresh, 'PUT', f'{base}/g', 'Content-Length: 400000') + data[:300_000],
                 request_head(fresh, 'PUT', f'{base}/h', 'Content-Length: 400000') + data[:10],
                 request_head(fresh, 'GET', fresh.api('/devices/dev/storages/flash0/image'))):
        s = connect(fresh)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        threading.Thread(target=lambda s=s, head=head: send_quietly(s, head), daemon=True).start()
        clients.append(s)
    time.sleep(0.3)
    fresh.daemon.stop()
    for s in clients:
        s.close()
    assert fresh.daemon.child.returncode == 0


def send_quietly(s, data):
    try:
        s.sendall(data)
    except OSError:
        pass


@pytest.mark.parametrize('args, words', [
    (['--listen', 'nonsense'], 'want ADDR:PORT'), (['--link', 'parallel:0'], 'parallel:0'), (['--nope'], 'no such option'),
    (['stray'], 'not an option'), (['--config', '/nonexistent.json'], '/nonexistent.json')])
def test_a_wrong_command_line_is_told(tmp_path, args, words):
    done = subprocess.run([BIN / 'flashportd', '--data', tmp_path / 'd', *args], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and words in done.stderr and done.stderr.startswith('flashportd: '), done.stderr
    assert not (tmp_path / 'd').exists()


def test_config_is_checked_and_links_reloaded(fresh):
    config = fresh.dir / 'config.json'
    config.write_text(json.dumps({'link': []}))
    done = subprocess.run([BIN / 'flashportd', '--config', config, '--check-config'], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    add_agent(fresh, 'dev', 'unix')
    link, fresh.links = fresh.links, []
    fresh.start_daemon('--config', config)
    assert fresh.http.get(fresh.api('/devices')).json() == {'devices': [], 'links': []}
    config.write_text(json.dumps({'link': link}))
    fresh.daemon.child.send_signal(1)
    fresh.online('dev')
    config.write_text('{"link":')
    fresh.daemon.child.send_signal(1)
    wait_for('the complaint', lambda: 'nothing was reloaded' in fresh.daemon.output())
    fresh.online('dev')


def test_two_daemons_do_not_share_a_folder_or_a_port(fresh):
    fresh.start_daemon()
    port = urllib.parse.urlsplit(fresh.url).port
    for args, words in ((['--data', fresh.dir / 'store', '--listen', '127.0.0.1:0'], 'another'),
                        (['--data', fresh.dir / 'two', '--listen', f'127.0.0.1:{port}'], 'another program has this port')):
        done = subprocess.run([BIN / 'flashportd', *args], capture_output=True, text=True, timeout=30)
        assert done.returncode == 1 and words in done.stderr, done.stderr
