// SPDX-License-Identifier: MIT
// The files view follows its device: what others change, and whether the
// device is there.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Bed } from './bed.mjs';

let bed, page;
let listed = 0;
const row = (name) => page.locator(`tr[data-name="${name}"]`);

before(async () => {
  bed = new Bed();
  await bed.daemon(bed.harbour());
  bed.flashport('mkdir', 'harbour:/flash/logs');
  bed.flashport('cp', bed.file('a', 'first'), 'harbour:/flash/a.txt');
  page = await bed.page();
  page.on('request', (request) => { if (/\/fs\//.test(request.url())) listed++; });
  await page.goto(bed.url);
  await page.goto(`${bed.origin}/#/devices/harbour/files/flash/`);
  await row('a.txt').waitFor();
});

after(() => bed.stop());

test('what another client uploads, renames and removes is seen', async () => {
  bed.flashport('cp', bed.file('b', 'second'), 'harbour:/flash/b.txt');
  await row('b.txt').waitFor();
  bed.flashport('mv', 'harbour:/flash/b.txt', 'harbour:/flash/c.txt');
  await row('c.txt').waitFor();
  await row('b.txt').waitFor({ state: 'detached' });
  bed.flashport('rm', 'harbour:/flash/c.txt');
  await row('c.txt').waitFor({ state: 'detached' });
});

test('nothing is listed while nothing happens', async () => {
  await bed.until('an end of listings', async () => {
    const before = listed;
    await page.waitForTimeout(1500);
    return listed === before;
  });
  const before = listed;
  await page.waitForTimeout(4000); // longer than the page asks where events do not get through
  assert.equal(listed, before);
});

test('a device that is gone is not offered anything, and comes back', async () => {
  await bed.end(bed.harbourProcess);
  await page.locator('.notice', { hasText: 'harbour is not there' }).waitFor();
  await bed.shot(page, 'away');
  assert.ok(await row('a.txt').isVisible(), 'what was there last is still shown');
  for (const name of ['Upload', 'New directory', 'Rename a.txt', 'Delete a.txt', 'Delete logs']) {
    assert.ok(await page.getByRole('button', { name, exact: true }).isDisabled(), name);
  }
  assert.equal(await row('a.txt').locator('a').count(), 0);
  bed.harbour();
  await page.locator('.notice').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Rename a.txt' }).click({ trial: true });
  bed.flashport('cp', bed.file('d', 'after'), 'harbour:/flash/d.txt');
  await row('d.txt').waitFor();
});

test('a view that was opened without its device fills when the device comes', async () => {
  await bed.end(bed.harbourProcess);
  await bed.until('the device is gone', () => bed.online().length === 0);
  await page.reload();
  await page.locator('.notice', { hasText: 'harbour is not there' }).waitFor();
  assert.equal(await page.locator('table.files').count(), 0);
  bed.harbour();
  await row('d.txt').waitFor();
  await page.getByRole('button', { name: 'Upload' }).click({ trial: true });
});

test('a directory that another client removes is said to be gone', async () => {
  await page.goto(`${bed.origin}/#/devices/harbour/files/flash/logs/`);
  await page.locator('.empty').waitFor();
  bed.flashport('rm', '-r', 'harbour:/flash/logs');
  await page.locator('.failure').waitFor();
});

test('a daemon that is gone is said to be gone', async () => {
  await page.goto(`${bed.origin}/#/devices/harbour/files/flash/`);
  await row('a.txt').waitFor();
  await bed.end(bed.daemonProcess);
  await page.locator('.notice', { hasText: 'flashportd cannot be reached' }).waitFor();
  assert.ok(await page.getByRole('button', { name: 'Delete a.txt' }).isDisabled());
});
