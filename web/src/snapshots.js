// SPDX-License-Identifier: MIT
// Snapshots of a device: take, browse, download, restore, delete.
import { api } from './api.js';
import { confirm, trying } from './dialog.js';
import { tabs } from './devices.js';
import { el, shownName, sizeText, timeText } from './dom.js';
import { follow } from './tray.js';

export const browseLink = (device, snapshot, path) =>
  `#/devices/${encodeURIComponent(device)}/snapshots/${encodeURIComponent(snapshot)}${path.split('/').map(encodeURIComponent).join('/')}`;

const crumbs = (id, ...more) => el('nav.crumbs', { 'aria-label': 'Path' }, el('a', { href: '#/' }, 'devices'), ' / ', id, ' / ',
  el('a', { href: `#/devices/${encodeURIComponent(id)}/snapshots` }, 'snapshots'), ...more);

async function take(id, storage, reload) {
  const job = await trying(() => api.takeSnapshot(id, storage));
  if (job) {
    await follow(job, `Snapshot of ${storage}`);
    reload();
  }
}

async function restore(device, snapshot, reload) {
  if (!await confirm({ title: 'Restore?', ok: 'Restore',
    text: `${snapshot.storage} of ${device.id} will hold what it held on ${timeText(snapshot.taken)}. What came since is lost.` })) return;
  const job = await trying(() => api.restore(snapshot.id, device.id, snapshot.storage));
  if (job) {
    await follow(job, `Restore of ${snapshot.storage}`);
    reload();
  }
}

async function remove(snapshot, reload) {
  if (!await confirm({ title: 'Delete snapshot?', ok: 'Delete', text: `The snapshot of ${timeText(snapshot.taken)} will be gone.` })) return;
  await trying(async () => {
    await api.deleteSnapshot(snapshot.id);
    reload();
  });
}

function row(device, snapshot, online, reload) {
  const when = timeText(snapshot.taken);
  return el('tr', { 'data-snapshot': snapshot.id },
    el('td.name', {}, snapshot.fs ? el('a.dir', { href: browseLink(device.id, snapshot.id, '/') }, when) : when,
      ...(snapshot.tags || []).map((tag) => el('span.tag', {}, shownName(tag)))),
    el('td', {}, snapshot.storage),
    el('td', {}, snapshot.fs || ''),
    el('td.size', { 'data-label': 'size' }, sizeText(snapshot.size)),
    el('td.size', { 'data-label': 'new', title: 'bytes this snapshot added to the store' }, `+${sizeText(snapshot.new_bytes)}`),
    el('td', {}, snapshot.complete ? 'whole' : `${snapshot.unreadable} unreadable`),
    el('td.actions', {},
      el('a.button', { href: api.snapshotImage(snapshot.id), download: `${device.id}-${snapshot.storage}.img`,
        'aria-label': `Download image of ${when}` }, 'Image'),
      el('button', { disabled: !online, onclick: () => restore(device, snapshot, reload), 'aria-label': `Restore ${when}` }, 'Restore'),
      el('button', { onclick: () => remove(snapshot, reload), 'aria-label': `Delete snapshot of ${when}` }, 'Delete')));
}

/** @param {string} id @param {() => void} reload */
export async function snapshotsView(id, reload) {
  const [device, snapshots] = await Promise.all([api.device(id), api.snapshots(id)]);
  const online = device.state === 'online' || device.state === 'busy';
  const heads = ['Taken', 'Storage', 'Filesystem', 'Size', 'New', 'State'];
  return el('main.device', {}, tabs(id, 'snapshots'), crumbs(id),
    el('div.toolbar', {}, ...(device.storages || []).map((storage) => el('button.primary',
      { disabled: !online, 'data-storage': storage.name, onclick: () => take(id, storage.name, reload) },
      `Take snapshot of ${storage.name}`))),
    snapshots.length
      ? el('table.files.snapshots', {}, el('thead', {}, el('tr', {}, ...heads.map((h) => el('th', { scope: 'col' }, h)), el('th', {}))),
        el('tbody', {}, ...snapshots.map((snapshot) => row(device, snapshot, online, reload))))
      : el('p.empty', {}, 'No snapshot of this device yet.'));
}

/** Files inside a snapshot. @param {string} id @param {string} snapshot @param {string} path with a trailing slash */
export async function snapshotFilesView(id, snapshot, path) {
  const listing = await api.list(api.snapshotFiles(snapshot, path));
  const up = path.split('/').filter(Boolean);
  const trail = up.flatMap((part, i) => [' / ', el('a', { href: browseLink(id, snapshot, `/${up.slice(0, i + 1).join('/')}/`) }, shownName(part))]);
  const last = (entry) => entry.href.replace(/\/$/, '').split('/').pop();
  return el('main.device', {}, tabs(id, 'snapshots'), crumbs(id, ' / ', el('a', { href: browseLink(id, snapshot, '/') }, snapshot.slice(0, 13)), ...trail),
    listing.entries.length ? el('table.files', {}, el('tbody', {}, ...listing.entries.map((entry) => el('tr', { 'data-name': entry.name },
      el('td.name', {}, entry.type === 'dir'
        ? el('a.dir', { href: `${browseLink(id, snapshot, path)}${last(entry)}/` }, shownName(entry.name))
        : el('a.file', { href: `${api.snapshotFiles(snapshot, path)}${last(entry)}?download=1`, download: entry.name }, shownName(entry.name))),
      el('td.size', {}, entry.type === 'dir' ? '' : sizeText(entry.size)),
      el('td.time', {}, timeText(entry.mtime)))))) : el('p.empty', {}, 'Nothing here.'));
}
