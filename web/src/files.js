// SPDX-License-Identifier: MIT
// A directory on a device: browse, upload, download, make, rename, delete.
import { api, fileUrl } from './api.js';
import { askName, confirm, toast, trying } from './dialog.js';
import { filesLink, tabs } from './devices.js';
import { el, shownName, sizeText, timeText } from './dom.js';
import { upload } from './tray.js';

/** The path of a listing's entry, from its exact href. @param {import('./api.js').Entry} entry */
const lastPart = (entry) => entry.href.replace(/\/$/, '').split('/').pop();

function crumbs(id, path) {
  const parts = path.split('/').filter(Boolean);
  const nav = el('nav.crumbs', { 'aria-label': 'Path' }, el('a', { href: '#/' }, 'devices'), ' / ',
    el('a', { href: filesLink(id, '/') }, id));
  parts.forEach((part, i) => nav.append(' / ',
    el('a', { href: filesLink(id, `/${parts.slice(0, i + 1).join('/')}/`) }, shownName(part))));
  return nav;
}

async function rename(entry, url, reload) {
  const name = await askName({ title: 'Rename', label: 'New name', value: entry.name, ok: 'Rename' });
  if (!name || name === entry.name) return;
  const parent = url.replace(/[^/]+\/?$/, '');
  await trying(async () => {
    await api.rename(url, parent + encodeURIComponent(name));
    reload();
  });
}

async function remove(entry, url, reload) {
  const dir = entry.type === 'dir';
  if (!await confirm({ title: dir ? 'Delete directory?' : 'Delete file?', ok: 'Delete',
    text: `${shownName(entry.name)}${dir ? ' and everything in it' : ''} will be gone from the device.` })) return;
  await trying(async () => {
    await api.remove(url, dir);
    reload();
  });
}

function row(id, path, entry, writable, reload) {
  const dir = entry.type === 'dir';
  const url = fileUrl(id, path) + lastPart(entry);
  const target = dir ? `${filesLink(id, path)}${lastPart(entry)}/` : url;
  const name = shownName(entry.name);
  const atRoot = path === '/';
  return el('tr', { 'data-name': entry.name },
    el('td.name', {}, el(`a.${entry.type}`, dir ? { href: target } : { href: `${url}?download=1`, download: entry.name }, name)),
    el('td.size', {}, dir ? '' : sizeText(entry.size)),
    el('td.time', {}, timeText(entry.mtime)),
    el('td.actions', {}, ...(writable && !atRoot ? [
      el('button', { title: 'Rename', 'aria-label': `Rename ${name}`, onclick: () => rename(entry, url, reload) }, 'Rename'),
      el('button', { title: 'Delete', 'aria-label': `Delete ${name}`, onclick: () => remove(entry, url, reload) }, 'Delete'),
    ] : [])));
}

function toolbar(id, path, send, reload) {
  const picker = el('input', { type: 'file', multiple: true, hidden: true, id: 'upload-files' });
  picker.addEventListener('change', () => {
    send([...picker.files]);
    picker.value = '';
  });
  const newFolder = async () => {
    const name = await askName({ title: 'New directory', label: 'Name', ok: 'Make' });
    if (!name) return;
    await trying(async () => {
      await api.mkdir(`${fileUrl(id, path)}${encodeURIComponent(name)}/`);
      reload();
    });
  };
  return el('div.toolbar', {}, picker,
    el('button.primary', { id: 'upload', onclick: () => picker.click() }, 'Upload'),
    el('button', { id: 'mkdir', onclick: newFolder }, 'New directory'),
    el('span.hint', {}, 'or drop files here'));
}

/** Files dropped anywhere on the view are sent to its directory. */
function acceptDrops(view, send) {
  let depth = 0;
  const shown = (on) => view.classList.toggle('dropping', on);
  view.addEventListener('dragenter', (e) => {
    e.preventDefault();
    shown(++depth > 0);
  });
  view.addEventListener('dragleave', () => shown(--depth > 0));
  view.addEventListener('dragover', (e) => e.preventDefault());
  view.addEventListener('drop', (e) => {
    e.preventDefault();
    depth = 0;
    shown(false);
    const items = [...e.dataTransfer.items].map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry());
    if (items.some((item) => item && item.isDirectory)) toast('Directories are not taken yet: drop the files in them.', 'error');
    send([...e.dataTransfer.files].filter((_, i) => !items[i] || items[i].isFile));
  });
}

async function sendFiles(id, path, files, listing, reload) {
  const names = new Set(listing.entries.map((entry) => entry.name));
  const replaced = files.filter((file) => names.has(file.name));
  if (replaced.length && !await confirm({ title: 'Replace?', ok: 'Replace', danger: false,
    text: `${replaced.map((file) => shownName(file.name)).join(', ')} ${replaced.length > 1 ? 'are' : 'is'} there already. ` +
      'The old content stays until the new one is stored.' })) return;
  await upload(files.map((file) => ({ file, url: fileUrl(id, path) + encodeURIComponent(file.name) })), reload);
}

/**
 * @param {string} id
 * @param {string} path with a trailing slash
 * @param {() => void} reload
 */
export async function filesView(id, path, reload) {
  const listing = await api.list(fileUrl(id, path));
  const writable = listing.writable && path !== '/';
  const send = (files) => sendFiles(id, path, files, listing, reload);
  const sorted = [...listing.entries].sort((a, b) =>
    (a.type === b.type ? a.name.localeCompare(b.name, undefined, { numeric: true }) : a.type === 'dir' ? -1 : 1));
  const body = sorted.length
    ? el('table.files', {}, el('thead', {}, el('tr', {}, ...['Name', 'Size', 'Modified'].map((h) => el('th', { scope: 'col' }, h)), el('th', {}))),
      el('tbody', {}, ...sorted.map((entry) => row(id, path, entry, writable, reload))))
    : el('p.empty', {}, writable ? 'Nothing here. Drop files to upload them.' : 'Nothing here.');
  const view = el('main.device', {}, tabs(id, 'files'), crumbs(id, path), writable ? toolbar(id, path, send, reload) : null, body,
    path === '/' ? null : el('p.free', {}, `${sizeText(listing.free)} free${listing.writable ? '' : ' · read-only'}`));
  if (writable) acceptDrops(view, send);
  return view;
}
