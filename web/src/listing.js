// SPDX-License-Identifier: MIT
// A directory as a table, on a device or in a snapshot.
import { el, shownName, sizeText, timeText } from './dom.js';

/** The path of a listing's entry, from its exact href: encoded. @param {import('./api.js').Entry} entry */
export const lastPart = (entry) => entry.href.replace(/\/$/, '').split('/').pop();

/** Directories first, then by name, numbers in names by their value. @param {import('./api.js').Entry[]} entries */
const sorted = (entries) => [...entries].sort((a, b) =>
  (a.type === b.type ? a.name.localeCompare(b.name, undefined, { numeric: true }) : a.type === 'dir' ? -1 : 1));

/**
 * @param {import('./api.js').Entry[]} entries
 * @param {(entry: object) => {href?: string, download?: string}} link of a name; without an href it is only text
 * @param {(entry: object) => HTMLElement[]} [actions]
 */
export function table(entries, link, actions) {
  return el('table.files', {},
    el('thead', {}, el('tr', {}, ...['Name', 'Size', 'Modified'].map((h) => el('th', { scope: 'col' }, h)), actions ? el('th', {}) : null)),
    el('tbody', {}, ...sorted(entries).map((entry) => {
      const props = link(entry);
      return el('tr', { 'data-name': entry.name },
        el('td.name', {}, el(`${props.href ? 'a' : 'span'}.${entry.type}`, props, shownName(entry.name))),
        el('td.size', {}, entry.type === 'dir' ? '' : sizeText(entry.size)),
        el('td.time', {}, timeText(entry.mtime)),
        actions ? el('td.actions', {}, ...actions(entry)) : null);
    })));
}
