// SPDX-License-Identifier: MIT
// Snapshots of a device: take, browse, download, restore, delete.
import { api } from './api.js';
import { browseLink, filesLink, snapshotsLink, trailOf } from './address.js';
import { confirm, trying } from './dialog.js';
import { filesHome, hasPart, serves, tabs } from './devices.js';
import { el, shownName, sizeText, timeText } from './dom.js';
import { lastPart, table } from './listing.js';
import { follow } from './tray.js';

/** When it was taken: by the second, since several are taken a minute. */
const taken = (snapshot) => timeText(snapshot.taken, 'medium');

/** "flash0", or "flash0 / fs" of a region. @param {{storage: string, region?: string}} of */
const place = ({ storage, region }) => [storage, region].filter(Boolean).map(shownName).join(' / ');

const crumbs = (device, ...more) => el('nav.crumbs', { 'aria-label': 'Path' }, el('a', { href: '#/' }, 'devices'), ' / ',
  el('a', { href: filesLink(device.id, filesHome(device)) }, device.id), ' / ',
  el('a', { href: snapshotsLink(device.id) }, 'snapshots'), ...more);

async function take(id, storage, region, reload) {
  const job = await trying(() => api.takeSnapshot(id, storage, region));
  if (job) {
    await follow(job, `Snapshot of ${place({ storage, region })}`);
    reload();
  }
}

async function restore(device, snapshot, reload) {
  if (!await confirm({ title: 'Restore?', ok: 'Restore',
    text: `${place(snapshot)} of ${device.id} will hold what it held on ${taken(snapshot)}. What came since is lost.` })) return;
  const job = await trying(() => api.restore(snapshot.id, device.id, snapshot.storage));
  if (job) {
    await follow(job, `Restore of ${place(snapshot)}`);
    reload();
  }
}

async function remove(snapshot, reload) {
  if (!await confirm({ title: 'Delete snapshot?', ok: 'Delete', text: `The snapshot of ${taken(snapshot)} will be gone.` })) return;
  await trying(async () => {
    await api.deleteSnapshot(snapshot.id);
    reload();
  });
}

function row(device, snapshot, online, reload) {
  const when = taken(snapshot);
  return el('tr', { 'data-snapshot': snapshot.id },
    el('td.name', {}, snapshot.fs ? el('a.dir', { href: browseLink(device.id, snapshot.id, '/') }, when) : when,
      ...(snapshot.tags || []).map((tag) => el('span.tag', {}, shownName(tag)))),
    el('td', {}, place(snapshot)),
    el('td', {}, snapshot.fs || ''),
    el('td.size', { 'data-label': 'size' }, sizeText(snapshot.size)),
    el('td.size', { 'data-label': 'new', title: 'bytes this snapshot added to the store' }, `+${sizeText(snapshot.new_bytes)}`),
    el('td', {}, snapshot.complete ? 'whole' : `${snapshot.unreadable} unreadable`),
    el('td.actions', {},
      el('a.button', { href: api.snapshotImage(snapshot.id), download: `${device.id}-${snapshot.storage}.img`,
        'aria-label': `Download image of ${when}` }, 'Image'),
      el('button', { disabled: !online || !hasPart(device, 'restore'), onclick: () => restore(device, snapshot, reload), 'aria-label': `Restore ${when}` }, 'Restore'),
      el('button', { onclick: () => remove(snapshot, reload), 'aria-label': `Delete snapshot of ${when}` }, 'Delete')));
}

/** One for the whole storage, and one for each region that a volume lies on: its files can be looked at then. */
function takeButtons(device, storage, online, reload) {
  const regions = storage.regions.filter((region) => (device.volumes || []).some((volume) =>
    volume.storage === storage.name && volume.region === region.name));
  const button = (kind, region) => el(`button${kind}`, { disabled: !online || storage.medium === false,
    'data-storage': place({ storage: storage.name, region }), onclick: () => take(device.id, storage.name, region, reload) },
  `${kind ? 'Take snapshot of ' : ''}${place({ storage: storage.name, region })}`);
  return [button('.primary'), ...regions.map((region) => button('', region.name))];
}

/** @param {string} id @param {{reload: () => void}} context */
export async function snapshotsView(id, { reload }) {
  const [device, snapshots] = await Promise.all([api.device(id), api.snapshots(id)]);
  const online = serves(device);
  const left = ['snapshots', 'restore'].filter((part) => !hasPart(device, part));
  const heads = ['Taken', 'Storage', 'Filesystem', 'Size', 'New', 'State'];
  const node = el('main.device', {}, tabs(device, 'snapshots'), crumbs(device),
    el('div.toolbar', {}, ...(hasPart(device, 'snapshots') && device.storages || []).flatMap((storage) => takeButtons(device, storage, online, reload))),
    online ? null : el('p.notice', { role: 'status' },
      `${device.id} is not there (${device.state}); snapshots are taken and restored when it is back.`),
    left.length ? el('p.notice', { role: 'status' }, `The firmware of ${device.id} was built without ${left.join(' and ')}.`) : null,
    snapshots.length
      ? el('table.files.snapshots', {}, el('thead', {}, el('tr', {}, ...heads.map((h) => el('th', { scope: 'col' }, h)), el('th', {}))),
        el('tbody', {}, ...snapshots.map((snapshot) => row(device, snapshot, online, reload))))
      : el('p.empty', {}, 'No snapshot of this device yet.'));
  return { node, changed: (other) => (!other || other.id === device.id) && reload() };
}

/** Files inside a snapshot. @param {string} id @param {string} snapshot @param {string} path encoded, with a trailing slash */
export async function snapshotFilesView(id, snapshot, path) {
  const [device, about, listing] = await Promise.all([
    api.device(id).catch((error) => (error.status === 404 ? { id } : Promise.reject(error))), // forgotten; its snapshots stay
    api.snapshot(snapshot), api.list(api.snapshotFiles(snapshot, path))]);
  const link = (entry) => (entry.type === 'dir' ? { href: `${browseLink(id, snapshot, path)}${lastPart(entry)}/` }
    : { href: `${api.snapshotFiles(snapshot, path)}${lastPart(entry)}?download=1`, download: entry.name });
  return { node: el('main.device', {}, tabs(device, 'snapshots'),
    crumbs(device, ' / ', el('a', { href: browseLink(id, snapshot, '/') }, `${about.storage} of ${taken(about)}`),
      ...trailOf(path).flatMap((part) => [' / ', el('a', { href: browseLink(id, snapshot, part.path) }, shownName(part.name))])),
    listing.entries.length ? table(listing.entries, link) : el('p.empty', {}, 'Nothing here.')) };
}
