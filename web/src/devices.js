// SPDX-License-Identifier: MIT
// The list of devices.
import { api } from './api.js';
import { encodePath, filesLink, snapshotsLink } from './address.js';
import { trying } from './dialog.js';
import { el, meter, shownName, sizeText, timeText } from './dom.js';
import { isFixed } from './volumes.js';

/** Does the device answer? @param {{state: string}} device */
export const serves = (device) => device.state === 'online' || device.state === 'busy';

/** Has its firmware that part? @param {{left_out?: string[]}} device @param {string} part a word of the API */
export const hasPart = (device, part) => !(device.left_out || []).includes(part);

/** Where its files begin: in its only volume, or at the list of them. @param {object} device */
export function filesHome(device) {
  const volumes = (device.volumes || []).filter((volume) => volume.fs);
  return volumes.length === 1 && device.volumes.length === 1 ? `${encodePath(volumes[0].path)}/` : '/';
}

/**
 * What can be looked at of one device.
 * @param {object} device
 * @param {'files'|'snapshots'} here
 */
export const tabs = (device, here) => el('nav.tabs', { 'aria-label': device.id },
  el('a', { href: filesLink(device.id, filesHome(device)), 'aria-current': here === 'files' && 'page' }, 'Files'),
  el('a', { href: snapshotsLink(device.id), 'aria-current': here === 'snapshots' && 'page' }, 'Snapshots'));

function volumeRow(device, volume) {
  const name = el('span.path', {}, volume.path);
  if (!volume.fs) {
    return el('li.volume', {}, name, el('span.note', {}, volume.reason || 'no filesystem'));
  }
  if (isFixed(volume)) {
    return el('li.volume', {}, el('a', { href: filesLink(device.id, `${encodePath(volume.path)}/`) }, name, ' ', el('small', {}, volume.fs)),
      el('span.note', {}, 'files of fixed size'));
  }
  const used = volume.size ? (volume.size - volume.free) / volume.size : 0;
  return el('li.volume', {},
    el('a', { href: filesLink(device.id, `${encodePath(volume.path)}/`) }, name, ' ', el('small', {}, volume.fs)),
    meter(used, `${volume.path}: ${Math.round(used * 100)} % used`),
    el('span.note', {}, `${sizeText(volume.free)} free of ${sizeText(volume.size)}${volume.writable ? '' : ` · read-only${volume.reason ? `: ${shownName(volume.reason)}` : ''}`}`));
}

/** What keeps it from serving, and what would end that. */
function trouble(device) {
  if (device.state === 'released') {
    return el('p.reason', {}, `Its port is lent to another program until ${timeText(device.released_until, 'medium')}. `,
      el('button', { onclick: () => trying(() => api.takeBack(device.id)) }, 'Take it back'));
  }
  return device.reason ? el('p.reason', {}, shownName(device.reason)) : null;
}

function card(device) {
  const online = serves(device);
  return el('article.card', { 'data-device': device.id },
    el('header', {}, el(`span.dot.${device.state}`, { title: device.state }),
      el('h2', {}, shownName(device.label || device.id)),
      device.label ? el('small', {}, device.id) : null, el('span.state', {}, device.state)),
    el('p.facts', {}, [device.model, device.firmware, device.link && device.link.name].filter(Boolean).map(shownName).join(' · ')),
    trouble(device),
    device.conflict ? el('p.reason', {}, `A second device tells the same id, at ${shownName(device.conflict)}: nothing is sent there.`) : null,
    el('ul.volumes', {}, ...(device.volumes || []).map((volume) => volumeRow(device, volume))),
    el('footer', {}, online && device.volumes && device.volumes.some((v) => v.fs)
      ? el('a.button', { href: filesLink(device.id, filesHome(device)) }, 'Files') : null,
    el('a.button', { href: snapshotsLink(device.id) }, 'Snapshots'),
    device.last_backup ? el('small', {}, `last backup ${timeText(device.last_backup)}`) : el('small', {}, 'no backup yet')));
}

/**
 * @param {object[]} devices
 * @param {{reload: () => void}} context
 * @param {string} [note] a sentence above them
 */
export function devicesView(devices, { reload }, note) {
  return { node: list(devices, note), changed: reload };
}

function list(devices, note) {
  const said = note ? el('p.notice', { role: 'status' }, note) : null;
  if (!devices.length) {
    return el('main', {}, said, el('p.empty', {}, 'No device yet. Give flashportd a link, for example ',
      el('code', {}, '--link serial:/dev/ttyACM0@921600'), '.'));
  }
  return el('main', {}, said, el('div.cards', {}, ...devices.map(card)));
}
