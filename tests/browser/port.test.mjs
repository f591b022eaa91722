// SPDX-License-Identifier: MIT
// A port that is lent, and two devices of one id, as the page shows them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Bed } from './bed.mjs';

let bed, page;
const card = (name) => page.locator(`[data-device=${name}]`);

before(async () => {
  bed = new Bed();
  bed.daemonOptions = ['--link', `unix:${bed.path('twin.sock')}`];
  await bed.daemon(bed.harbour(), bed.meadow());
  page = await bed.page();
  await page.goto(bed.url);
});

after(() => bed.stop());

test('a lent port says until when, and is taken back by a button', async () => {
  await card('meadow').locator('.button', { hasText: 'Files' }).waitFor();
  bed.flashport('release', 'meadow', '--for', '600', '--quiet');
  await card('meadow').getByText('Its port is lent to another program until').waitFor();
  assert.equal(await card('meadow').locator('.button', { hasText: 'Files' }).count(), 0);
  assert.equal(await card('harbour').locator('.reason').count(), 0);
  await bed.shot(page, 'released');
  await card('meadow').getByRole('button', { name: 'Take it back' }).click();
  await card('meadow').locator('.dot.online').waitFor();
  assert.equal(await card('meadow').locator('.reason').count(), 0);
});

test('a directory of a device whose port is lent waits for it', async () => {
  await page.goto(`${bed.origin}/#/devices/meadow/files/flash/`);
  await page.locator('tr[data-name]').first().waitFor();
  bed.flashport('release', 'meadow', '--for', '600', '--quiet');
  await page.getByText('lent to another program').waitFor();
  bed.flashport('release', 'meadow', '--end');
  await page.locator('main.device:not(.away)').waitFor();
  await page.goto(`${bed.origin}/#/`);
});

test('a second device of one id is named', async () => {
  const spec = `unix:${bed.path('twin.sock')}`;
  bed.start('flashport-agent', ['--id', 'harbour', '--storage', `flash0=${bed.path('twin.img')},block=4096,count=32`,
    '--mount', '/flash=flash0:littlefs', '--format', 'littlefs', '--listen', spec]);
  await card('harbour').getByText(`A second device tells the same id, at ${spec}: nothing is sent there.`).waitFor();
  await bed.shot(page, 'conflict');
  assert.equal(await card('harbour').locator('.dot.online').count(), 1);
});
