// SPDX-License-Identifier: MIT
// Which view the address names, and when it is drawn anew.
//
//   #/                                  devices
//   #/devices/ID/files/flash/dir/       a directory on a device
//   #/devices/ID/snapshots              its snapshots
//   #/devices/ID/snapshots/SNAPSHOT/dir/  files in one of them
import './style.css';
import { api } from './api.js';
import { devicesView } from './devices.js';
import { el } from './dom.js';
import { filesView } from './files.js';
import { snapshotFilesView, snapshotsView } from './snapshots.js';
import { tray } from './tray.js';

const app = document.getElementById('app');
const place = el('div.place', {});
app.append(el('header.top', {}, el('a.brand', { href: '#/' }, 'flashport'), el('span.tagline', {}, 'flash on the network')), place, tray);

let drawing = 0;

function viewOf(hash, reload) {
  const parts = hash.replace(/^#\//, '').split('/').map(decodeURIComponent);
  if (parts[0] === 'devices' && parts[2] === 'files') return filesView(parts[1], `/${parts.slice(3).join('/')}`, reload);
  if (parts[0] === 'devices' && parts[2] === 'snapshots' && parts[3]) {
    return snapshotFilesView(parts[1], parts[3], `/${parts.slice(4).join('/')}`);
  }
  if (parts[0] === 'devices' && parts[2] === 'snapshots') return snapshotsView(parts[1], reload);
  return api.devices().then(devicesView);
}

function failure(error, retry) {
  return el('main', {}, el('div.failure', { role: 'alert' }, el('p', {}, error.message), error.hint ? el('p', {}, error.hint) : null,
    el('button', { onclick: retry }, 'Try again'), el('a.button', { href: '#/' }, 'Devices')));
}

/** Draws what the address names; a later call overtakes an earlier one. */
async function draw() {
  const turn = ++drawing;
  let view;
  try {
    view = await viewOf(location.hash || '#/', draw);
  } catch (error) {
    view = failure(error, draw);
  }
  if (turn === drawing) place.replaceChildren(view);
}

/** Drawn anew under a user's hands only where nothing is being typed or dragged. */
function refresh() {
  const path = location.hash.split('/');
  const live = path.length < 3 || path[3] === 'snapshots';
  if (live && !document.querySelector('dialog[open]')) draw();
}

window.addEventListener('hashchange', draw);
api.watch(refresh);
draw();
