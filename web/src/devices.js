// SPDX-License-Identifier: MIT
// The list of devices.
import { el, meter, shownName, sizeText, timeText } from './dom.js';

/** Where a device is looked at. @param {string} id @param {string} path of a directory, with a trailing slash */
export const filesLink = (id, path) => `#/devices/${encodeURIComponent(id)}/files${path.split('/').map(encodeURIComponent).join('/')}`;
export const snapshotsLink = (id) => `#/devices/${encodeURIComponent(id)}/snapshots`;

/**
 * What can be looked at of one device.
 * @param {string} id
 * @param {'files'|'snapshots'} here
 */
export const tabs = (id, here) => el('nav.tabs', { 'aria-label': id },
  el('a', { href: filesLink(id, '/'), 'aria-current': here === 'files' && 'page' }, 'Files'),
  el('a', { href: snapshotsLink(id), 'aria-current': here === 'snapshots' && 'page' }, 'Snapshots'));

function volumeRow(device, volume) {
  const name = el('span.path', {}, volume.path);
  if (!volume.fs) {
    return el('li.volume', {}, name, el('span.note', {}, volume.reason || 'no filesystem'));
  }
  const used = volume.size ? (volume.size - volume.free) / volume.size : 0;
  return el('li.volume', {},
    el('a', { href: filesLink(device.id, `${volume.path}/`) }, name, ' ', el('small', {}, volume.fs)),
    meter(used, `${volume.path}: ${Math.round(used * 100)} % used`),
    el('span.note', {}, `${sizeText(volume.free)} free of ${sizeText(volume.size)}${volume.writable ? '' : ' · read-only'}`));
}

function card(device) {
  const online = device.state === 'online' || device.state === 'busy';
  return el('article.card', { 'data-device': device.id },
    el('header', {}, el(`span.dot.${device.state}`, { title: device.state }),
      el('h2', {}, shownName(device.label || device.id)),
      device.label ? el('small', {}, device.id) : null, el('span.state', {}, device.state)),
    el('p.facts', {}, [device.model, device.firmware, device.link && device.link.name].filter(Boolean).map(shownName).join(' · ')),
    device.reason ? el('p.reason', {}, shownName(device.reason)) : null,
    el('ul.volumes', {}, ...(device.volumes || []).map((volume) => volumeRow(device, volume))),
    el('footer', {}, online && device.volumes && device.volumes.some((v) => v.fs)
      ? el('a.button', { href: filesLink(device.id, '/') }, 'Files') : null,
    el('a.button', { href: snapshotsLink(device.id) }, 'Snapshots'),
    device.last_backup ? el('small', {}, `last backup ${timeText(device.last_backup)}`) : el('small', {}, 'no backup yet')));
}

/** @param {object[]} devices @returns {HTMLElement} */
export function devicesView(devices) {
  if (!devices.length) {
    return el('main', {}, el('p.empty', {}, 'No device yet. Give flashportd a link, for example ',
      el('code', {}, '--link serial:/dev/ttyACM0@921600'), '.'));
  }
  return el('main.cards', {}, ...devices.map(card));
}
