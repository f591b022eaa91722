// SPDX-License-Identifier: MIT
// A directory on a device: browse, upload, download, make, rename, delete. It
// follows the device: what others change is listed anew when the volume's
// generation moves, and without its device it is only looked at.
import { api, fileUrl } from './api.js';
import { decodePart, filesLink, trailOf } from './address.js';
import { askName, confirm, trying } from './dialog.js';
import { serves, tabs } from './devices.js';
import { el, refill, shownName, sizeText, soon } from './dom.js';
import { lastPart, table } from './listing.js';
import { upload } from './tray.js';
import { isFixed, volumeFoot, volumesPanel } from './volumes.js';

function crumbs(id, path) {
  return el('nav.crumbs', { 'aria-label': 'Path' }, el('a', { href: '#/' }, 'devices'), ' / ', el('a', { href: filesLink(id, '/') }, id),
    ...trailOf(path).flatMap((part) => [' / ', el('a', { href: filesLink(id, part.path) }, shownName(part.name))]));
}

/** Says which name is in the way. @param {string} name */
const taken = (name) => (error) => (['EXIST', 'PRECOND'].includes(error.code) ? `There is a "${shownName(name)}" already.` : null);

async function rename(entry, url, done) {
  const name = await askName({ title: 'Rename', label: 'New name', value: entry.name, ok: 'Rename' });
  if (!name || name === entry.name) return;
  const parent = url.replace(/[^/]+\/?$/, '');
  await trying(async () => {
    await api.rename(url, parent + encodeURIComponent(name));
    done();
  }, taken(name));
}

async function remove(entry, url, done) {
  const dir = entry.type === 'dir';
  if (!await confirm({ title: dir ? 'Delete directory?' : 'Delete file?', ok: 'Delete',
    text: `${shownName(entry.name)}${dir ? ' and everything in it' : ''} will be gone from the device.` })) return;
  await trying(async () => {
    await api.remove(url, dir);
    done();
  });
}

async function make(base, done) {
  const name = await askName({ title: 'New directory', label: 'Name', ok: 'Make' });
  if (!name) return;
  await trying(async () => {
    await api.mkdir(`${base}${encodeURIComponent(name)}/`);
    done();
  }, taken(name));
}

async function sendFiles(base, files, entries, stages, done) {
  const names = new Set(entries.map((entry) => entry.name));
  const replaced = files.filter((file) => names.has(file.name));
  if (replaced.length && !await confirm({ title: 'Replace?', ok: 'Replace', danger: false,
    text: `${replaced.map((file) => shownName(file.name)).join(', ')} ${replaced.length > 1 ? 'are' : 'is'} there already. ` +
      (stages ? 'The old content stays until the new one is stored.' : 'It is written in place: the old content is lost at once.') })) return;
  await upload(files.map((file) => ({ file, url: base + encodeURIComponent(file.name) + (stages ? '' : '?in_place=1') })), done);
}

/** The volume that a directory is on. @param {object} device @param {string} path encoded */
const volumeOf = (device, path) => (device.volumes || []).find((volume) => decodePart(path).startsWith(`${volume.path}/`));

/** What of a device a directory's listing depends on, its entries apart. */
function standing(device, path) {
  const volumes = path === '/' ? device.volumes || [] : [volumeOf(device, path) || {}];
  const media = (device.storages || []).map((storage) => [storage.name, storage.medium, storage.regions]);
  return JSON.stringify([device.epoch, volumes.map((v) => [v.path, v.fs, v.mounted, v.writable, v.reason]), path === '/' && media]);
}

/**
 * @param {string} id
 * @param {string} path encoded, with a trailing slash
 * @param {{reload: () => void, signal: AbortSignal}} context
 * @returns {Promise<import('./app.js').View>}
 */
export async function filesView(id, path, { reload, signal }) {
  const base = fileUrl(id, path);
  const node = el('main.device', {});
  const body = el('div', {});
  let device = await api.device(id);
  let listing = null;
  let unreached = false;

  const live = () => serves(device) && !unreached;
  const writable = () => !!listing && listing.writable && path !== '/';

  async function look() {
    try {
      listing = await api.list(base);
    } catch (error) {
      if (error.code !== 'NODEV') throw error;
      device = await api.device(id); // it left before its event came
    }
  }
  const relist = soon(async () => {
    if (signal.aborted) return;
    try {
      await look();
      draw();
    } catch {
      reload(); // which says what is wrong
    }
  }, 100);

  const can = (cap) => ((volumeOf(device, path) || {}).caps || [cap]).includes(cap);
  const send = (files) => sendFiles(base, files, listing.entries, can('stage'), relist);
  const picker = el('input', { type: 'file', multiple: true, hidden: true, id: 'upload-files' });
  picker.addEventListener('change', () => {
    const files = [...picker.files];
    picker.value = '';
    if (files.length) send(files);
  });
  /* Made once: a file dialog may be open above it. */
  const buttons = [el('button.primary', { id: 'upload', onclick: () => picker.click() }, 'Upload'),
    el('button', { id: 'mkdir', onclick: () => make(base, relist) }, 'New directory')];
  const toolbar = el('div.toolbar', {}, picker, ...buttons, el('span.hint', {}, 'or drop files here'));

  function notice() {
    if (unreached) return 'flashportd cannot be reached. What is shown is what was there last; it goes on when flashportd is back.';
    if (serves(device)) return '';
    return `${id} is not there (${device.state}${device.reason ? `: ${shownName(device.reason)}` : ''}). ` +
      `${listing ? 'What is shown is what was there last; it' : 'It'} goes on when the device is back.`;
  }

  const fixed = () => isFixed(volumeOf(device, path) || { caps: ['stage'] });
  const actions = (entry) => [['Rename', rename], ['Delete', remove]].map(([text, run]) => el('button', { disabled: !live(),
    'aria-label': `${text} ${shownName(entry.name)}`, onclick: () => run(entry, base + lastPart(entry), relist) }, text));
  const link = (entry) => (!live() ? {} : entry.type === 'dir' ? { href: `${filesLink(id, path)}${lastPart(entry)}/` }
    : { href: `${base}${lastPart(entry)}?download=1`, download: entry.name });

  function draw() {
    const volume = volumeOf(device, path);
    const free = volume && live() ? volume.free : listing && listing.free;
    for (const button of buttons) button.disabled = !live();
    toolbar.hidden = !writable();
    buttons[1].hidden = !can('dirs');
    node.classList.toggle('away', !live());
    refill(body,
      notice() ? el('p.notice', { role: 'status' }, notice()) : null,
      path === '/' ? volumesPanel(device, live(), relist) : null,
      !listing || path === '/' ? null : listing.entries.length ? table(listing.entries, link, writable() && !fixed() ? actions : undefined)
        : el('p.empty', {}, writable() ? 'Nothing here. Drop files to upload them.' : 'Nothing here.'),
      !listing || path === '/' ? null : volume ? volumeFoot(volume, free)
        : el('p.free', {}, `${sizeText(free)} free${listing.writable ? '' : ' · read-only'}`));
  }

  /** @param {object|null} next the device as it is now; null: nobody knows, it is asked for */
  async function changed(next) {
    if (next && next.id !== device.id) return;
    if (next && next.state === 'forgotten') {
      reload();
      return;
    }
    try {
      next = next || await api.device(id);
    } catch (error) {
      if (signal.aborted) return;
      unreached = error.status === 0;
      if (unreached) draw();
      else reload();
      return;
    }
    const was = device;
    const volume = volumeOf(next, path);
    const news = !listing || !live() || standing(was, path) !== standing(next, path) || (volume && volume.fs_gen !== listing.fs_gen);
    device = next;
    unreached = false;
    draw();
    if (serves(next) && news) relist();
  }

  if (serves(device)) await look();
  node.append(tabs(device, 'files'), crumbs(id, path), toolbar, body);
  draw();
  const refusal = () => (!live() ? 'The device is not there.' : writable() ? ''
    : path === '/' ? 'Open a volume first, and drop files there.' : 'This volume is read-only.');
  return { node, changed, drops: { take: send, refusal } };
}
