// SPDX-License-Identifier: MIT
// The page in a real browser, against a real daemon and real agents: does what
// the page offers, and looks at the device's flash afterwards from outside.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { chromium } from 'playwright-core';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const BIN = process.env.FP_BIN || path.join(ROOT, 'build/debug/bin');
const SHOTS = path.join(ROOT, 'build/screenshots');
const HOSTILE = '<img src=x onerror="window.hacked=1">.txt';

let dir, url, browser, page;
const children = [];
const requests = [];

function start(program, args) {
  const child = spawn(path.join(BIN, program), args, { stdio: ['ignore', 'pipe', 'pipe'] });
  child.output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { child.output += data; });
  children.push(child);
  return child;
}

/** The answer of `probe` once it gives one. */
async function until(what, probe) {
  for (let i = 0; i < 600; i++) {
    const answer = await probe();
    if (answer) return answer;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`never came: ${what}\n${children.map((c) => c.output).join('\n')}`);
}

const flashport = (...args) => execFileSync(path.join(BIN, 'flashport'), args, {
  env: { ...process.env, FLASHPORT_SOCKET: path.join(dir, 'd.sock') } }).toString();
const listing = (where) => JSON.parse(flashport('ls', '--json', where)).entries.map((e) => e.name);

before(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'fp-'));
  mkdirSync(SHOTS, { recursive: true });
  writeFileSync(path.join(dir, 'meadow.img'), gunzipSync(readFileSync(path.join(ROOT, 'tests/images/littlefs/deep_b4096.img.gz'))));
  start('flashport-agent', ['--id', 'meadow', '--storage', `flash0=${dir}/meadow.img,block=4096,prog=256`,
    '--mount', '/flash=flash0', '--listen', `pty:${dir}/meadow.tty`]);
  start('flashport-agent', ['--id', 'harbour', '--storage', `flash0=${dir}/harbour.img,block=4096,count=256,prog=256`,
    '--mount', '/flash=flash0:littlefs', '--format', 'littlefs', '--listen', `unix:${dir}/harbour.sock`]);
  const daemon = start('flashportd', ['--data', `${dir}/store`, '--listen', '127.0.0.1:0', '--socket', `${dir}/d.sock`,
    '--link', `serial:${dir}/meadow.tty@921600`, '--link', `unix:${dir}/harbour.sock`]);
  url = await until('the URL', () => (daemon.output.match(/http:\/\/\S+token=\S+/) || [])[0]);
  await until('both devices', () => {
    try {
      return JSON.parse(flashport('devices', '--json')).devices.filter((d) => d.state === 'online').length === 2;
    } catch {
      return false;
    }
  });
  writeFileSync(path.join(dir, HOSTILE.replaceAll('/', '_')), 'not markup');
  flashport('cp', path.join(dir, HOSTILE), `harbour:/flash/${HOSTILE}`);
  browser = await chromium.launch({ executablePath: process.env.FP_CHROMIUM || '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage'] });
  page = await browser.newPage({ viewport: { width: 1180, height: 720 } });
  page.on('request', (request) => requests.push(request.url()));
  page.on('pageerror', (error) => { throw error; });
});

after(async () => {
  if (browser) await browser.close();
  for (const child of children.reverse()) {
    child.kill('SIGTERM');
    await new Promise((resolve) => { child.on('exit', resolve); setTimeout(resolve, 5000); });
    assert.doesNotMatch(child.output, /ERROR: (Address|Leak|Thread)Sanitizer|runtime error:/);
  }
  rmSync(dir, { recursive: true, force: true });
});

test('the URL opens, keeps the token out of the address and lists the devices', async () => {
  await page.goto(url);
  await page.locator('[data-device=meadow]').waitFor();
  await page.locator('[data-device=harbour]').waitFor();
  assert.doesNotMatch(page.url(), /token/);
  assert.equal(await page.locator('.dot.online').count(), 2);
  await page.screenshot({ path: path.join(SHOTS, 'devices.png') });
});

test('directories are browsed', async () => {
  await page.locator('[data-device=meadow] .volume a').click();
  await page.locator('table.files tbody tr').first().waitFor();
  const shown = await page.locator('table.files tbody tr').evaluateAll((rows) => rows.map((row) => row.dataset.name));
  assert.deepEqual(shown.sort(), listing('meadow:/flash').sort());
  const folder = page.locator('a.dir').first();
  const name = await folder.textContent();
  await folder.click();
  await page.locator('.crumbs a', { hasText: name }).waitFor();
  await page.goBack();
});

test('a file is uploaded by the button, shown, and downloaded as it was', async () => {
  await page.goto(`${new URL(url).origin}/#/devices/harbour/files/flash/`);
  await page.locator('.crumbs a', { hasText: 'harbour' }).waitFor();
  const content = Buffer.from(Array.from({ length: 50000 }, (_, i) => (i * 7919) >> 3 & 255));
  await page.locator('#upload-files').setInputFiles({ name: 'firmware notes.bin', mimeType: 'application/octet-stream', buffer: content });
  await page.locator('tr[data-name="firmware notes.bin"]').waitFor();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByText('firmware notes.bin').first().click()]);
  assert.deepEqual(readFileSync(await download.path()), content);
  flashport('cp', 'harbour:/flash/firmware notes.bin', path.join(dir, 'back.bin'));
  assert.deepEqual(readFileSync(path.join(dir, 'back.bin')), content);
});

test('files are uploaded by dropping them', async () => {
  const transfer = await page.evaluateHandle(() => {
    const data = new DataTransfer();
    data.items.add(new File(['first'], 'one.txt'));
    data.items.add(new File(['second'], 'two.txt'));
    return data;
  });
  await page.dispatchEvent('main.device', 'dragenter', { dataTransfer: transfer });
  await page.locator('main.dropping').waitFor();
  await page.dispatchEvent('main.device', 'drop', { dataTransfer: transfer });
  await page.locator('tr[data-name="one.txt"]').waitFor();
  await page.locator('tr[data-name="two.txt"]').waitFor();
  assert.equal(flashport('cat', 'harbour:/flash/two.txt'), 'second');
});

test('a directory is made, a file renamed', async () => {
  await page.locator('#mkdir').click();
  await page.locator('#dialog-name').fill('logs');
  await page.getByRole('button', { name: 'Make' }).click();
  await page.locator('tr[data-name=logs]').waitFor();
  await page.getByRole('button', { name: 'Rename one.txt' }).click();
  await page.locator('#dialog-name').fill('uno.txt');
  await page.locator('dialog').getByRole('button', { name: 'Rename' }).click();
  await page.locator('tr[data-name="uno.txt"]').waitFor();
  assert.ok(!listing('harbour:/flash').includes('one.txt'));
});

test('a name that is markup is shown as text', async () => {
  await page.locator(`tr[data-name=${JSON.stringify(HOSTILE).replaceAll("'", "\\'")}]`).waitFor();
  assert.equal(await page.locator('table.files img').count(), 0);
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  await page.screenshot({ path: path.join(SHOTS, 'files.png') });
});

test('deleting asks first', async () => {
  await page.getByRole('button', { name: 'Delete two.txt' }).click();
  await page.locator('dialog').getByRole('button', { name: 'Cancel' }).click();
  assert.ok(listing('harbour:/flash').includes('two.txt'));
  await page.getByRole('button', { name: 'Delete two.txt' }).click();
  await page.locator('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.locator('tr[data-name="two.txt"]').waitFor({ state: 'detached' });
  assert.ok(!listing('harbour:/flash').includes('two.txt'));
});

test('a failure is said, with what would be right', async () => {
  await page.locator('#upload-files').setInputFiles({ name: 'too large.bin', mimeType: 'application/octet-stream',
    buffer: Buffer.alloc(3 << 20, 1) });
  await page.locator('.tray .failed').filter({ hasText: 'too large.bin' }).waitFor();
  assert.ok(!listing('harbour:/flash').includes('too large.bin'));
});

test('a snapshot is taken, listed, browsed and downloaded', async () => {
  await page.goto(`${new URL(url).origin}/#/devices/harbour/snapshots`);
  await page.getByRole('button', { name: 'Take snapshot of flash0' }).click();
  const row = page.locator('tr[data-snapshot]').first();
  await row.waitFor();
  const [download] = await Promise.all([page.waitForEvent('download'), row.getByText('Image').click()]);
  assert.deepEqual(readFileSync(await download.path()), readFileSync(path.join(dir, 'harbour.img')));
  await page.screenshot({ path: path.join(SHOTS, 'snapshots.png') });
  await row.locator('a.dir').click();
  await page.locator('tr[data-name="uno.txt"]').waitFor();
});

test('a snapshot is restored after asking, and deleted after asking', async () => {
  flashport('rm', 'harbour:/flash/uno.txt');
  await page.goto(`${new URL(url).origin}/#/devices/harbour/snapshots`);
  const row = page.locator('tr[data-snapshot]').first();
  await row.getByRole('button', { name: /^Restore/ }).click();
  await page.locator('dialog').getByRole('button', { name: 'Restore' }).click();
  await page.locator('.tray .done').filter({ hasText: 'Restore of flash0' }).waitFor();
  assert.equal(flashport('cat', 'harbour:/flash/uno.txt'), 'first');
  await row.getByRole('button', { name: /^Delete/ }).click();
  await page.locator('dialog').getByRole('button', { name: 'Delete' }).click();
  await row.waitFor({ state: 'detached' });
});

test('nothing was loaded from elsewhere', () => {
  const { origin } = new URL(url);
  assert.deepEqual(requests.filter((r) => !r.startsWith(origin) && !/^(data|blob):/.test(r)), []);
});
