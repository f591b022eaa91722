// SPDX-License-Identifier: MIT
// What a browser test stands on: agents and a daemon in a directory of their
// own, the command line to look from outside, and a browser.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { chromium } from 'playwright-core';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const BIN = process.env.FP_BIN || path.join(ROOT, 'build/debug/bin');
const SHOTS = path.join(ROOT, 'build/screenshots');

export class Bed {
  constructor() {
    this.dir = mkdtempSync(path.join(tmpdir(), 'fp-'));
    this.children = [];
    this.socket = this.path('harbour.sock');
    this.daemonOptions = [];
    mkdirSync(SHOTS, { recursive: true });
  }

  path(name) {
    return path.join(this.dir, name);
  }

  start(program, args) {
    const child = spawn(path.join(BIN, program), args, { stdio: ['ignore', 'pipe', 'pipe'] });
    child.output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { child.output += data; });
    this.children.push(child);
    return child;
  }

  /** The answer of `probe` once it gives one. */
  async until(what, probe) {
    for (let i = 0; i < 600; i++) {
      const answer = await probe();
      if (answer) return answer;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`never came: ${what}\n${this.children.map((c) => c.output).join('\n')}`);
  }

  /** An agent behind a pty that serves a copy of a reference image. */
  meadow() {
    writeFileSync(this.path('meadow.img'), gunzipSync(readFileSync(path.join(ROOT, 'tests/images/littlefs/deep_b4096.img.gz'))));
    this.start('flashport-agent', ['--id', 'meadow', '--storage', `flash0=${this.path('meadow.img')},block=4096,prog=256`,
      '--mount', '/flash=flash0', '--listen', `pty:${this.path('meadow.tty')}`]);
    return `serial:${this.path('meadow.tty')}@921600`;
  }

  /** An agent behind a socket, 1 MiB, freshly formatted; its flash stays when it is started again. */
  harbour(...more) {
    this.harbourProcess = this.start('flashport-agent', ['--id', 'harbour', '--storage',
      `flash0=${this.path('harbour.img')},block=4096,count=256,prog=256`, '--mount', '/flash=flash0:littlefs', '--format', 'littlefs',
      '--listen', `unix:${this.socket}`, ...more]);
    return `unix:${this.socket}`;
  }

  /** An agent whose flash has a region with a volume, and is a file a region too; it has a slot with an erased card. */
  board() {
    this.card = this.path('card.img');
    writeFileSync(this.card, Buffer.alloc(512 * 1024, 0xff));
    utimesSync(this.card, 0, 0);
    this.start('flashport-agent', ['--id', 'board', '--storage', `flash0=${this.path('board.img')},block=4096,count=256,prog=256`,
      '--region', 'app=flash0@0+512K', '--region', 'fs=flash0@512K+512K',
      '--storage', `sd0=${this.card},kind=card,block=4096,prog=512,read=256,removable`,
      '--mount', '/flash=fs:littlefs', '--mount', '/sd=sd0:littlefs', '--mount', '/raw=flash0:raw', '--listen', `unix:${this.path('board.sock')}`]);
    return `unix:${this.path('board.sock')}`;
  }

  /** An agent that was built without snapshots, and without changing volumes on request. */
  shed() {
    this.start('flashport-agent-least', ['--id', 'shed', '--storage', `flash0=${this.path('shed.img')},block=4096,count=64,prog=256`,
      '--mount', '/flash=flash0:littlefs', '--format', 'littlefs', '--frame', '640', '--buffers', '1', '--lz4', 'off',
      '--listen', `unix:${this.path('shed.sock')}`]);
    return `unix:${this.path('shed.sock')}`;
  }

  /** The daemon, and a page of a browser that has not opened anything yet. */
  async daemon(...links) {
    this.daemonProcess = this.start('flashportd', ['--data', this.path('store'), '--listen', '127.0.0.1:0', '--socket', this.path('d.sock'),
      ...this.daemonOptions, ...links.flatMap((link) => ['--link', link])]);
    this.url = await this.until('the URL', () => (this.daemonProcess.output.match(/http:\/\/\S+token=\S+/) || [])[0]);
    this.origin = new URL(this.url).origin;
    await this.until('the devices', () => this.online().length === links.length);
    this.browser = await chromium.launch({ executablePath: process.env.FP_CHROMIUM || '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-dev-shm-usage'] });
  }

  async page(options) {
    const page = await this.browser.newPage({ viewport: { width: 1180, height: 720 }, ...options });
    page.on('pageerror', (error) => { throw error; });
    return page;
  }

  flashport(...args) {
    return execFileSync(path.join(BIN, 'flashport'), args, { env: { ...process.env, FLASHPORT_SOCKET: this.path('d.sock') } }).toString();
  }

  online() {
    try {
      return JSON.parse(this.flashport('devices', '--json')).devices.filter((d) => d.state === 'online').map((d) => d.id);
    } catch {
      return [];
    }
  }

  listing(where) {
    return JSON.parse(this.flashport('ls', '--json', where)).entries.map((e) => e.name);
  }

  /** A file beside the devices, to be copied or uploaded from. */
  file(name, content) {
    writeFileSync(this.path(name), content);
    return this.path(name);
  }

  shot(page, name) {
    return page.screenshot({ path: path.join(SHOTS, `${name}.png`) });
  }

  async end(child) {
    child.kill('SIGTERM');
    if (child.exitCode === null && child.signalCode === null) {
      await new Promise((resolve) => { child.on('exit', resolve); setTimeout(resolve, 5000); });
    }
    assert.doesNotMatch(child.output, /ERROR: (Address|Leak|Thread)Sanitizer|runtime error:/);
  }

  async stop() {
    if (this.browser) await this.browser.close();
    for (const child of this.children.reverse()) await this.end(child);
    rmSync(this.dir, { recursive: true, force: true });
  }
}
