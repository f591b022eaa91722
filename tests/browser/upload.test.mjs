// SPDX-License-Identifier: MIT
// What the tray says of an upload is what is known of it. A device with the
// times of a real flash takes seconds for what a socket takes at once.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Bed } from './bed.mjs';

let bed, page;

before(async () => {
  bed = new Bed();
  await bed.daemon(bed.harbour('--timing', 'nor'));
  page = await bed.page();
  await page.goto(bed.url);
  await page.goto(`${bed.origin}/#/devices/harbour/files/flash/`);
  await page.locator('#upload').waitFor();
  // Every state that any row of the tray shows, with its bar.
  await page.evaluate(() => {
    window.seen = [];
    new MutationObserver(() => {
      for (const row of document.querySelectorAll('.tray li')) {
        const meter = row.querySelector('[role=progressbar]');
        window.seen.push([row.querySelector('.title').textContent, row.className, row.querySelector('.state').textContent,
          meter && meter.getAttribute('aria-valuenow')].join('|'));
      }
    }).observe(document.querySelector('.tray'), { subtree: true, childList: true, attributes: true, characterData: true });
  });
});

after(() => bed.stop());

const send = (name, size) => page.locator('#upload-files').setInputFiles({ name, mimeType: 'application/octet-stream',
  buffer: Buffer.from(Array.from({ length: size }, (_, i) => (i * 2654435761) >> 13 & 255)) });
const states = async (name) => (await page.evaluate(() => window.seen)).filter((s) => s.startsWith(`${name}|`)).map((s) => s.split('|').slice(1));

test('once all has left the browser, nobody knows how far the device is, and the bar says so', async () => {
  await send('slow.bin', 200000);
  const row = page.locator('.tray li', { hasText: 'slow.bin' });
  await row.getByText('sending to the device').waitFor();
  assert.equal(await row.locator('[role=progressbar]').getAttribute('aria-valuenow'), null);
  assert.equal(await page.locator('.tray h2').textContent(), 'Under way');
  await bed.shot(page, 'upload');
  await page.locator('.tray .done', { hasText: 'slow.bin' }).getByText('stored').waitFor();
  assert.equal(await page.locator('.tray h2').textContent(), 'Finished');
  assert.ok(bed.listing('harbour:/flash').includes('slow.bin'));
  for (const [end, state, part] of await states('slow.bin')) {
    assert.doesNotMatch(state, /verif/);
    assert.ok(part !== '100' || /done/.test(end), `a full bar at "${state}"`);
  }
});

test('an upload that is given up has no bar, and the old state stays', async () => {
  await send('given.bin', 300000);
  await page.locator('.tray li', { hasText: 'given.bin' }).getByText('sending to the device').waitFor();
  await page.getByRole('button', { name: 'Give up given.bin' }).click();
  const row = page.locator('.tray .cancelled', { hasText: 'given.bin' });
  await row.getByText('given up').waitFor();
  assert.equal(await row.locator('[role=progressbar]').count(), 0);
  assert.ok(!bed.listing('harbour:/flash').includes('given.bin'));
});

test('an upload that fails has no bar', async () => {
  await send('too large.bin', 1 << 20);
  const row = page.locator('.tray .failed', { hasText: 'too large.bin' });
  await row.waitFor();
  assert.equal(await row.locator('[role=progressbar]').count(), 0);
  assert.match(await page.locator('.tray h2').textContent(), /1 failed/);
});
