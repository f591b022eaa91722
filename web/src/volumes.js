// SPDX-License-Identifier: MIT
// The volumes of a device: what each is, what it promises and where its limits
// are; mounting, unmounting and formatting. Below them the storages with their
// regions.
import { api } from './api.js';
import { encodePath, filesLink } from './address.js';
import { hasPart } from './devices.js';
import { askFormat, trying } from './dialog.js';
import { el, meter, shownName, sizeText } from './dom.js';

/** What a filesystem lacks that people count on, in words. */
const LACKS = [['dirs', 'no directories of its own'], ['mtime', 'no times'], ['append', 'no appending'], ['stage', 'writes go in place']];

/** What a cut of the power leaves. @param {{promise: string}} volume */
export const promiseText = (volume) => (volume.promise === 'old-or-new'
  ? 'A power cut leaves every file old or new.' : 'A power cut may leave a file half written.');

/** How long names may be, and how large and how many files. @param {{limits?: object}} volume */
export function limitsText({ limits }) {
  if (!limits) return '';
  return [`names up to ${limits.name_max} bytes`, limits.file_max ? `files up to ${sizeText(limits.file_max)}` : '',
    limits.files_max ? `at most ${limits.files_max} files` : ''].filter(Boolean).join(', ');
}

/** What it lacks. @param {{caps?: string[]}} volume */
export const lacksText = (volume) => LACKS.filter(([cap]) => !(volume.caps || []).includes(cap)).map(([, text]) => text).join(', ');

/** Are its files there for good, each of one size, as regions of flash are? @param {{caps?: string[]}} volume */
export const isFixed = (volume) => !['stage', 'append'].some((cap) => (volume.caps || []).includes(cap)) && !volume.free;

/** "littlefs 2.1" @param {{fs: string|null, version?: string}} volume */
export const fsText = (volume) => [volume.fs, volume.version].filter(Boolean).map(shownName).join(' ');

/** Why it is read-only or not there. @param {{reason?: string}} volume */
const reasonText = (volume) => (volume.reason ? `${shownName(volume.reason).replace(/^./, (c) => c.toUpperCase())}.` : '');

/** All that is said of a volume below its files. @param {object} volume @param {number} free */
export const volumeFoot = (volume, free) => el('div.foot', {},
  el('p.free', {}, [isFixed(volume) ? 'files of fixed size' : `${sizeText(free)} free`, fsText(volume), volume.writable ? '' : 'read-only'].filter(Boolean).join(' · ')),
  volume.writable ? null : el('p.reason', {}, reasonText(volume)),
  el('p.free', {}, [promiseText(volume), limitsText(volume), lacksText(volume)].filter(Boolean)
    .map((text) => text.replace(/^./, (c) => c.toUpperCase()).replace(/\.?$/, '.')).join(' ')));

async function format(device, volume, done) {
  const wanted = await askFormat({ title: `Format ${shownName(volume.path)}?`, filesystems: device.filesystems || [], value: volume.fs,
    text: `Everything on ${shownName(volume.path)} of ${device.id} will be gone.` });
  if (!wanted) return;
  await trying(async () => {
    await api.act(device.id, volume.path, { action: 'format', fs: wanted });
    done();
  });
}

const act = (device, volume, action, done) => trying(async () => {
  await api.act(device.id, volume.path, { action });
  done();
});

/** Has the volume's storage its medium in? */
const hasMedium = (device, volume) => (device.storages || []).every((s) => s.name !== volume.storage || s.medium !== false);

function buttons(device, volume, live, done) {
  const button = (text, run) => el('button', { disabled: !live, 'aria-label': `${text} ${volume.path}`, onclick: run }, text);
  if (!hasMedium(device, volume) || !hasPart(device, 'volumes')) return [];
  return [volume.mounted ? button('Unmount', () => act(device, volume, 'unmount', done)) : button('Mount', () => act(device, volume, 'mount', done)),
    ...(isFixed(volume) && volume.mounted ? [] : [button('Format…', () => format(device, volume, done))])];
}

function row(device, volume, live, done) {
  const place = [volume.storage, volume.region].filter(Boolean).map(shownName).join(' / ');
  const used = volume.size ? (volume.size - volume.free) / volume.size : 0;
  const name = shownName(volume.path.slice(1));
  return el('tr', { 'data-name': volume.path.slice(1) },
    el('td.name', {}, el(`${volume.mounted && live ? 'a' : 'span'}.dir`,
      volume.mounted && live ? { href: filesLink(device.id, `${encodePath(volume.path)}/`) } : {}, name),
    volume.path === device.default_volume ? el('span.tag', {}, 'default') : null, el('small', {}, ` on ${place}`)),
    el('td.use', {}, volume.mounted ? [fsText(volume), volume.writable ? '' : 'read-only'].filter(Boolean).join(' · ') : '',
      ...(!volume.mounted ? [] : isFixed(volume) ? [el('p', {}, el('small', {}, 'files of fixed size'))]
        : [meter(used, `${volume.path}: ${Math.round(used * 100)} % used`), el('small', {}, `${sizeText(volume.free)} free of ${sizeText(volume.size)}`)]),
      reasonText(volume) ? el('p.reason', {}, reasonText(volume)) : null),
    el('td.words', {}, ...(volume.mounted ? [promiseText(volume), limitsText(volume), lacksText(volume)] : []).filter(Boolean)
      .map((text) => el('p', {}, text.replace(/^./, (c) => c.toUpperCase())))),
    el('td.actions', {}, ...buttons(device, volume, live, done)));
}

const hex = (value) => `0x${value.toString(16)}`;

const regionRow = (storage, region) => el('tr', { 'data-region': `${storage.name}/${region.name}` },
  el('td.name', {}, `${shownName(storage.name)} / ${shownName(region.name)}`), el('td.size', {}, sizeText(region.size)),
  el('td.size', { 'data-label': 'at' }, hex(region.off)), el('td', {}, region.flags.join(', ')));

/** What kind of medium it is. @param {{block_size: number, flags: string[]}} storage */
const kindText = ({ block_size: size, flags }) => [flags.includes('overwrite') ? `card, sectors of ${sizeText(size)}` : `flash, erase blocks of ${sizeText(size)}`,
  flags.includes('removable') ? 'removable' : '', flags.includes('xip') ? 'the CPU stands still while it is written' : ''].filter(Boolean).join(', ');

const storageRows = (storage) => [el('tr', { 'data-storage': storage.name }, el('td.name', {}, shownName(storage.name)),
  el('td.size', {}, storage.medium === false ? '' : sizeText(storage.size)), el('td.size', {}, ''),
  el('td', {}, storage.medium === false ? 'no medium' : kindText(storage))),
...(storage.medium === false ? [] : storage.regions.map((region) => regionRow(storage, region)))];

const table = (kind, heads, rows) => el(`table.files.${kind}`, {},
  el('thead', {}, el('tr', {}, ...heads.map((head) => el('th', { scope: 'col' }, head)))), el('tbody', {}, ...rows));

/**
 * Volumes and storages of a device.
 * @param {object} device as the API has it
 * @param {boolean} live can it be asked now?
 * @param {() => void} done something was changed
 */
export const volumesPanel = (device, live, done) => el('div', {},
  table('volumes-table', ['Volume', 'Filesystem', 'What to count on', ''], (device.volumes || []).map((volume) => row(device, volume, live, done))),
  el('h2.sub', {}, 'Storages'),
  table('storages-table', ['Storage', 'Size', 'At', 'Kind'], (device.storages || []).flatMap(storageRows)));
