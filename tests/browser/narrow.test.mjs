// SPDX-License-Identifier: MIT
// Windows as narrow as a phone's: nothing lies beyond the right edge.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Bed } from './bed.mjs';

const LONG = `${'a long name of a file that was copied from elsewhere '.repeat(3)}end.bin`;
const UNBROKEN = `${'0123456789abcdef'.repeat(12)}.log`;

// Links are named by their paths, and by-id names of USB ports are long.
const LINK = 'usb_Silicon_Labs_CP2102N_USB_to_UART_Bridge_Controller_0001a2b3c4d5e6f7';

let bed, snapshot;
const views = () => ({
  devices: ['#/', '[data-device=harbour]'],
  files: ['#/devices/harbour/files/flash/', 'tr[data-name=config]'],
  snapshots: ['#/devices/harbour/snapshots', 'tr[data-snapshot]'],
  'snapshot-files': [`#/devices/harbour/snapshots/${snapshot}/`, 'tr[data-name=config]'],
});

/** What sticks out of the window, as text; what a scrollable part hides counts too. */
const beyond = (page) => page.evaluate(() => [...document.querySelectorAll('main, main *, header, header *')]
  .filter((node) => node.getBoundingClientRect().right > innerWidth + 0.5)
  .map((node) => `${node.tagName}.${node.className} to ${node.getBoundingClientRect().right}: ${node.textContent.slice(0, 40)}`));

before(async () => {
  bed = new Bed();
  bed.socket = bed.path(LINK);
  await bed.daemon(bed.harbour());
  bed.flashport('mkdir', 'harbour:/flash/config');
  for (const name of [LONG, UNBROKEN, 'boot.bin']) bed.flashport('cp', bed.file('content', 'x'.repeat(5000)), `harbour:/flash/${name}`);
  snapshot = JSON.parse(bed.flashport('backup', '--json', 'harbour')).result.snapshot;
});

after(() => bed.stop());

for (const [width, colorScheme] of [[400, 'light'], [400, 'dark'], [700, 'light'], [900, 'light'], [1280, 'light'], [1280, 'dark']]) {
  test(`${width} px wide, ${colorScheme}, each view fits`, async () => {
    const page = await bed.page({ viewport: { width, height: 800 }, colorScheme });
    await page.goto(bed.url);
    for (const [name, [hash, there]] of Object.entries(views())) {
      await page.goto(`${bed.origin}/${hash}`);
      await page.locator(there).waitFor();
      await bed.shot(page, `${name}-${width}-${colorScheme}`);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name} scrolls sideways`);
      assert.deepEqual(await beyond(page), [], name);
    }
    await page.close();
  });
}

for (const colorScheme of ['light', 'dark']) {
  test(`400 px wide, ${colorScheme}, the token's field, dialogs, the tray and messages fit`, async () => {
    const page = await bed.page({ viewport: { width: 400, height: 800 }, colorScheme });
    const fits = async (name) => {
      await bed.shot(page, `${name}-400-${colorScheme}`);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name} scrolls sideways`);
      assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll('dialog, .tray li, .toast, .login *')]
        .filter((node) => node.getBoundingClientRect().right > innerWidth).map((node) => node.textContent)), []);
    };
    await page.goto(`${bed.origin}/?token=fp_wrong`);
    await page.locator('#token').waitFor();
    await fits('login');
    await page.goto(bed.url);
    await page.goto(`${bed.origin}/#/devices/harbour/files/flash/`);
    await page.locator('#mkdir').click();
    await fits('dialog');
    await page.keyboard.type('config');
    await page.keyboard.press('Enter');
    await page.locator('.toast.error').waitFor();
    await page.locator('#upload-files').setInputFiles([LONG, UNBROKEN].map((name) => ({ name: `big ${name}`,
      mimeType: 'application/octet-stream', buffer: Buffer.alloc(2 << 20) })));
    await page.locator('.tray .failed').first().waitFor();
    await fits('tray');
    await page.close();
  });
}

test('names keep whole words, and what can be done is in reach', async () => {
  const page = await bed.page({ viewport: { width: 400, height: 800 } });
  await page.goto(bed.url);
  await page.goto(`${bed.origin}/#/devices/harbour/files/flash/`);
  const row = page.locator('tr[data-name="boot.bin"]');
  await row.waitFor();
  // A name of one word is one line of text: about 20 px, not one a letter.
  assert.ok(await row.locator('a.file').evaluate((node) => node.getBoundingClientRect().height) < 30);
  await row.getByRole('button', { name: 'Rename' }).click({ trial: true });
  await row.getByRole('button', { name: 'Delete' }).click({ trial: true });
  await page.close();
});

test('a long link name stays in its card', async () => {
  for (const width of [400, 1280]) {
    const page = await bed.page({ viewport: { width, height: 800 } });
    await page.goto(bed.url);
    const facts = page.locator('[data-device=harbour] .facts', { hasText: LINK });
    await facts.waitFor();
    const [end, card] = await facts.evaluate((node) => { // at once: the card is drawn anew when its device says something
      const range = document.createRange();
      range.selectNodeContents(node);
      return [range.getBoundingClientRect().right, node.closest('[data-device]').getBoundingClientRect().right];
    });
    assert.ok(end <= card, `text ends at ${end}, the card at ${card}`);
    await page.close();
  }
});
