// SPDX-License-Identifier: MIT
// Volumes on the page: what they are and promise, mounting, unmounting and
// formatting them, and a card that is pulled and put back while it is looked at.
import assert from 'node:assert/strict';
import { renameSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { Bed } from './bed.mjs';

let bed, page;
const row = (name) => page.locator(`tr[data-name=${name}]`);
const board = () => JSON.parse(bed.flashport('devices', 'board', '--json'));
const volume = (path) => board().volumes.find((v) => v.path === path);
const open = (path) => page.goto(`${bed.origin}/#/devices/board/files${path}`);

before(async () => {
  bed = new Bed();
  await bed.daemon(bed.board(), bed.shed());
  page = await bed.page();
  await page.goto(bed.url);
});

after(() => bed.stop());

test('a device with several volumes opens with the list of them', async () => {
  await page.locator('[data-device=board]').getByText('no filesystem on sd0, it is erased').waitFor();
  bed.flashport('format', '--yes', '--fs', 'littlefs', 'board:/flash');
  await page.locator('[data-device=board] .button', { hasText: 'Files' }).click();
  await row('flash').locator('a.dir').waitFor();
  assert.match(await row('sd').textContent(), /No filesystem on sd0, it is erased: format it to use it\./);
  assert.equal(await row('sd').locator('a').count(), 0);
});

test('what a volume promises and its limits are said in words', async () => {
  const text = await row('flash').textContent();
  assert.match(text, /littlefs 2\.1/);
  assert.match(text, /A power cut leaves every file old or new\./);
  assert.match(text, /Names up to 255 bytes, files up to 2\.0 GB/);
  assert.match(text, /on flash0 \/ fs/);
});

test('storages show their regions', async () => {
  assert.match(await page.locator('tr[data-storage=flash0]').textContent(), /1\.0 MB.*flash, erase blocks of 4\.0 KB/);
  assert.match(await page.locator('tr[data-region="flash0/fs"]').textContent(), /512 KB.*0x80000/);
});

test('a region is a file that is there for good', async () => {
  await open('/raw/');
  await row('app').waitFor();
  await page.locator('.foot').getByText('files of fixed size').waitFor();
  assert.equal(await page.locator('td.actions').count(), 0);
  await open('/flash/');
  await page.locator('#mkdir:not([hidden])').waitFor();
  await open('/');
});

test('an erased card is formatted only after a question', async () => {
  const format = row('sd').getByRole('button', { name: 'Format' });
  await format.click();
  await page.locator('dialog').getByRole('button', { name: 'Cancel' }).click();
  assert.equal(volume('/sd').mounted, false);
  await format.click();
  assert.equal(await page.locator('#dialog-fs').inputValue(), 'littlefs');
  await page.locator('dialog').getByRole('button', { name: 'Format' }).click();
  await row('sd').locator('a.dir').waitFor();
  await row('sd').locator('.tag', { hasText: 'default' }).waitFor();
  assert.equal(volume('/sd').mounted, true);
  await bed.shot(page, 'volumes');
});

test('a volume is unmounted and mounted', async () => {
  await row('flash').getByRole('button', { name: 'Unmount' }).click();
  await row('flash').getByText('Unmounted on request.').waitFor();
  assert.equal(volume('/flash').mounted, false);
  await row('flash').getByRole('button', { name: 'Mount' }).click();
  await row('flash').locator('a.dir').waitFor();
});

test('a pulled card is seen, and seen again when it is back', async () => {
  bed.flashport('cp', bed.file('note.txt', 'on the card'), 'board:/sd/note.txt');
  await open('/sd/');
  await row('"note.txt"').waitFor();
  await open('/');
  await row('sd').locator('a.dir').waitFor();
  renameSync(bed.card, bed.path('drawer.img'));
  await row('sd').getByText('There is no medium in sd0.').waitFor();
  assert.equal(await row('sd').locator('button').count(), 0);
  assert.match(await page.locator('tr[data-storage=sd0]').textContent(), /no medium/);
  await bed.shot(page, 'volumes-no-card');
  renameSync(bed.path('drawer.img'), bed.card);
  await row('sd').locator('a.dir').click();
  await row('"note.txt"').waitFor();
});

test('below its files a volume says what it is, and why it is read-only', async () => {
  bed.flashport('unmount', 'board:/flash');
  bed.flashport('mount', '--opt', 'ro=1', 'board:/flash');
  await open('/flash/');
  const foot = page.locator('.foot');
  await foot.getByText('Mounted read-only.').waitFor();
  assert.match(await foot.textContent(), /free · littlefs 2\.1 · read-only/);
  assert.match(await foot.textContent(), /A power cut leaves every file old or new\. Names up to 255 bytes/);
  assert.equal(await page.locator('#upload').isVisible(), false);
  bed.flashport('unmount', 'board:/flash');
  bed.flashport('mount', '--fs', 'auto', 'board:/flash');
  await page.locator('#upload').waitFor();
});

test('a name that is too long is refused with the limit', async () => {
  bed.flashport('format', '--yes', '--fs', 'littlefs', '--opt', 'name_max=12', 'board:/sd');
  await open('/sd/');
  // The view before this one has an upload too, into another volume.
  await page.locator('.foot').getByText('Names up to 12 bytes').waitFor();
  await page.locator('#upload-files').setInputFiles({ name: 'thirteenbytes', mimeType: 'text/plain', buffer: Buffer.from('x') });
  await page.locator('.tray').getByText('12 are the most').waitFor();
  await bed.shot(page, 'volumes-limit');
});

test('a region that has a volume is backed up by its own button', async () => {
  await page.goto(`${bed.origin}/#/devices/board/snapshots`);
  await page.locator('[data-storage="flash0 / fs"]').click();
  await page.locator('table.snapshots td', { hasText: 'flash0 / fs' }).waitFor();
  await page.locator('table.snapshots td.name a').first().waitFor();
});

test('on a narrow screen nothing is cut off', async () => {
  const narrow = await bed.page({ viewport: { width: 360, height: 800 } });
  await narrow.goto(bed.url);
  await narrow.goto(`${bed.origin}/#/devices/board/files/`);
  await narrow.locator('tr[data-name=sd]').waitFor();
  assert.ok(await narrow.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth));
  await bed.shot(narrow, 'volumes-narrow');
  await narrow.close();
});

test('what a firmware was built without is not offered', async () => {
  await page.goto(`${bed.origin}/#/devices/shed/files/`);
  await row('flash').locator('a.dir').waitFor();
  assert.equal(await row('flash').locator('button').count(), 0);
  await page.getByRole('navigation', { name: 'shed' }).getByRole('link', { name: 'Snapshots' }).click();
  await page.getByText('The firmware of shed was built without snapshots and restore.').waitFor();
  assert.equal(await page.locator('.toolbar button').count(), 0);
  await bed.shot(page, 'left-out');
});
