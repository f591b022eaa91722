// SPDX-License-Identifier: MIT
// Which view the address names, and when it is drawn anew.
import './style.css';
import { parseAddress } from './address.js';
import { api } from './api.js';
import { devicesView } from './devices.js';
import { el, soon } from './dom.js';
import { dropsTo } from './drops.js';
import { filesView } from './files.js';
import { loginView } from './login.js';
import { snapshotFilesView, snapshotsView } from './snapshots.js';
import { tray } from './tray.js';

/**
 * A view: what is shown, and what it does when a device changed.
 * @typedef {{node: HTMLElement, changed?: (device: object|null) => void, drops?: import('./drops.js').Taker}} View
 */

const app = document.getElementById('app');
const place = el('div.place', {});
app.append(el('header.top', {}, el('a.brand', { href: '/#/' }, 'flashport'), el('span.tagline', {}, 'flash on the network')), place, tray);

let drawing = 0;
/** @type {View} */
let shown = { node: place };
let leave = new AbortController();

/** @returns {Promise<View>} */
async function viewOf(hash, context) {
  if (location.pathname !== '/') return loginView(opened, '');
  const address = parseAddress(hash);
  if (!address) return devicesView(await api.devices(), context, 'The address named nothing that is here. These are the devices.');
  const { view, id, snapshot, path } = address;
  if (view === 'login') return loginView(opened, 'The token in that URL is unknown or expired.');
  if (view === 'files') return filesView(id, path, context);
  if (view === 'snapshots') return snapshotsView(id, context);
  if (view === 'snapshot') return snapshotFilesView(id, snapshot, path);
  return devicesView(await api.devices(), context);
}

function failure(error, retry) {
  const node = el('main', {}, el('div.failure', { role: 'alert' }, el('p', {}, error.message), error.hint ? el('p', {}, error.hint) : null,
    el('button', { onclick: retry }, 'Try again'), el('a.button', { href: '#/' }, 'Devices')));
  return { node, changed: retry };
}

/** Draws what the address names; a later call overtakes an earlier one. */
async function draw() {
  const turn = ++drawing;
  const left = new AbortController();
  let view;
  try {
    view = await viewOf(location.hash, { reload: redraw, signal: left.signal });
  } catch (error) {
    view = error.status === 401 ? loginView(opened, '') : failure(error, redraw);
  }
  if (turn !== drawing) {
    left.abort();
    return;
  }
  leave.abort();
  leave = left;
  shown = view;
  place.replaceChildren(view.node);
  dropsTo(view.node, view.drops);
}

/** There is a session now: shows what was asked for. */
function opened() {
  if (location.pathname !== '/') location.reload(); // the daemon gave the page instead of what is there
  else if (location.hash === '#/login') location.replace('#/');
  else draw();
}

const redraw = soon(draw, 100);

window.addEventListener('hashchange', draw);
if (/[?&]token=/.test(location.search)) history.replaceState(null, '', location.pathname + location.hash);
api.watch((device) => shown.changed && shown.changed(device));
draw();
