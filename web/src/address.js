// SPDX-License-Identifier: MIT
// Addresses inside the page. A path in one is percent-encoded, as the daemon's
// hrefs are: a name on flash need not be UTF-8, and only its bytes are exact.
//
//   #/                                  devices
//   #/devices/ID/files/flash/dir/       a directory on a device
//   #/devices/ID/snapshots              its snapshots
//   #/devices/ID/snapshots/SNAPSHOT/dir/  files in one of them
//   #/login                             a token is asked for

/** A path of the API's JSON, encoded. @param {string} path "/flash" */
export const encodePath = (path) => path.split('/').map(encodeURIComponent).join('/');

/** As it may be read: bytes that are no UTF-8 become U+FFFD. @param {string} part encoded */
export function decodePart(part) {
  const bytes = [];
  for (const [, hex, text] of part.matchAll(/%([0-9a-f]{2})|([^%]+|%)/gi)) {
    if (hex) bytes.push(parseInt(hex, 16));
    else bytes.push(...new TextEncoder().encode(text));
  }
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes));
}

/** The directory's parts, for a trail of links. @param {string} path encoded, with a trailing slash */
export const trailOf = (path) => path.split('/').filter(Boolean).map((part, i, all) =>
  ({ name: decodePart(part), path: `/${all.slice(0, i + 1).join('/')}/` }));

/** @param {string} id @param {string} path encoded */
export const filesLink = (id, path) => `#/devices/${encodeURIComponent(id)}/files${path}`;
export const snapshotsLink = (id) => `#/devices/${encodeURIComponent(id)}/snapshots`;
/** @param {string} id @param {string} snapshot @param {string} path encoded */
export const browseLink = (id, snapshot, path) => `${snapshotsLink(id)}/${encodeURIComponent(snapshot)}${path}`;

/**
 * What an address names; null when nothing.
 * @param {string} hash of the location
 * @returns {{view: string, id?: string, snapshot?: string, path?: string}|null}
 */
export function parseAddress(hash) {
  const text = hash.replace(/^#?\/?/, '');
  if (!text) return { view: 'devices' };
  if (text === 'login') return { view: 'login' };
  const [head, device, view, ...rest] = text.split('/');
  if (head !== 'devices' || !device || /%(?![0-9a-f]{2})/i.test(text)) return null;
  const id = decodePart(device);
  /* What would end the path of a URL was typed by hand. */
  const path = `/${rest.join('/').replace(/[?#]/g, encodeURIComponent)}`;
  if (view === 'files') return { view, id, path: path.endsWith('/') ? path : `${path}/` };
  if (view !== 'snapshots') return null;
  if (!rest[0]) return { view, id };
  return { view: 'snapshot', id, snapshot: decodePart(rest[0]), path: `/${rest.slice(1).join('/')}`.replace(/\/?$/, '/') };
}
