// SPDX-License-Identifier: MIT
// Without a session the page asks for a token; none stays in a URL or reaches
// the log.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { Bed } from './bed.mjs';

const WRONG = 'fp_wrong0123456789abcdef';

let bed, token;

before(async () => {
  bed = new Bed();
  bed.daemonOptions = ['--log-level', 'debug'];
  await bed.daemon(bed.harbour());
  token = readFileSync(bed.path('store/admin.token'), 'utf8').trim();
});

after(() => bed.stop());

/** A page of a browser without a session, and the URLs of what it asks for. */
async function stranger() {
  const context = await bed.browser.newContext({ viewport: { width: 1180, height: 720 } });
  const page = await context.newPage();
  page.on('pageerror', (error) => { throw error; });
  const urls = [];
  page.on('request', (request) => urls.push(request.url()));
  return { page, urls };
}

test('without a token the page asks for one, and opens what was asked for', async () => {
  const { page, urls } = await stranger();
  await page.goto(`${bed.origin}/#/devices/harbour/files/flash/`);
  await page.getByText('Open the URL that flashportd printed, or paste its token (it is in admin.token in the data directory)').waitFor();
  await bed.shot(page, 'login');
  await page.locator('#token').fill(WRONG);
  await page.keyboard.press('Enter');
  await page.locator('[role=alert]', { hasText: 'unknown or expired' }).waitFor();
  await page.locator('#token').fill('two words');
  await page.keyboard.press('Enter');
  await page.locator('[role=alert]', { hasText: 'one word' }).waitFor();
  await page.locator('#token').fill(token);
  await page.keyboard.press('Enter');
  await page.locator('#upload').waitFor();
  assert.equal(new URL(page.url()).hash, '#/devices/harbour/files/flash/');
  assert.deepEqual(urls.filter((url) => url.includes(token) || url.includes(WRONG)), []);
  // As a change: the session is as good as one by the URL.
  await page.locator('#mkdir').click();
  await page.keyboard.type('made');
  await page.keyboard.press('Enter');
  await page.locator('tr[data-name=made]').waitFor();
});

test('a wrong token in the URL leaves it, and the page asks for another', async () => {
  const { page } = await stranger();
  await page.goto(`${bed.origin}/?token=${WRONG}`);
  await page.locator('[role=alert]', { hasText: 'The token in that URL is unknown or expired.' }).waitFor();
  assert.equal(page.url(), `${bed.origin}/#/login`);
  await page.locator('#token').fill(bed.url); // as it was printed, whole
  await page.getByRole('button', { name: 'Open' }).click();
  await page.locator('[data-device=harbour]').waitFor();
  assert.doesNotMatch(page.url(), /token|login/);
});

test('a link into the API asks for a token too, and then gives what is there', async () => {
  const { page } = await stranger();
  const reply = await page.goto(`${bed.origin}/api/v1/devices`);
  assert.equal(reply.status(), 401);
  await page.locator('#token').fill(token);
  await page.keyboard.press('Enter');
  await page.getByText('"harbour"').waitFor();
});

test('programs get problem documents as before', async () => {
  for (const headers of [{}, { Accept: 'application/json' }, { Accept: '*/*' }]) {
    for (const path of ['/api/v1/devices', `/?token=${WRONG}`]) {
      const reply = await fetch(bed.origin + path, { headers, redirect: 'manual' });
      assert.equal(reply.status, 401);
      assert.match(reply.headers.get('content-type'), /problem\+json/);
      assert.match((await reply.json()).hint, /Authorization: Bearer/);
    }
  }
  const put = await fetch(`${bed.origin}/api/v1/devices/harbour/fs/flash/x`, { method: 'PUT', body: 'x', headers: { Accept: 'text/html' } });
  assert.match(put.headers.get('content-type'), /problem\+json/);
});

test('a session is traded only for a good token', async () => {
  const get = (headers) => fetch(`${bed.origin}/?login`, { headers, redirect: 'manual' });
  assert.equal((await get({})).headers.get('set-cookie'), null);
  for (const bad of [`Bearer ${WRONG}`, 'Basic YTpi', 'Bearer ']) {
    const reply = await get({ Authorization: bad });
    assert.equal(reply.status, 401, bad);
    assert.equal(reply.headers.get('set-cookie'), null);
  }
  const good = await get({ Authorization: `Bearer ${token}` });
  assert.equal(good.status, 204);
  assert.match(good.headers.get('set-cookie'), /HttpOnly; SameSite=Strict/);
});

test('no token is in the log, but in the URL that is printed', () => {
  const log = bed.daemonProcess.output;
  assert.match(log, /GET .*status=401/, 'the log tells of requests');
  assert.ok(!log.includes(WRONG));
  assert.equal(log.split(token).length - 1, 1);
});
