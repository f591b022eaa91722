// SPDX-License-Identifier: MIT
// Files that are dropped, wherever in the window: the view that is shown takes
// them. A browser left alone would open the file in the page's place.
import { toast } from './dialog.js';

/**
 * What a view does with files; refusal says why not, "" when it takes them.
 * @typedef {{take: (files: File[]) => void, refusal: () => string}} Taker
 */

/** @type {(Taker & {node: HTMLElement})|null} */
let target = null;

/**
 * From now on drops go to this view. To be called when it is shown and not
 * before: a view may be overtaken while it is made.
 * @param {HTMLElement} node
 * @param {Taker} [taker] none: nothing is taken here
 */
export function dropsTo(node, taker) {
  target = taker ? { node, ...taker } : null;
}

const hasFiles = (e) => e.dataTransfer && [...e.dataTransfer.types].includes('Files');
const shown = (on) => target && target.node.classList.toggle('dropping', on && !target.refusal());

function over(e) {
  if (!hasFiles(e)) return;
  e.preventDefault();
  e.dataTransfer.dropEffect = target && !target.refusal() ? 'copy' : 'none';
  shown(true);
}

window.addEventListener('dragenter', over);
window.addEventListener('dragover', over);
window.addEventListener('dragleave', (e) => {
  if (!e.relatedTarget) shown(false);
});
window.addEventListener('drop', (e) => {
  if (!hasFiles(e)) return;
  e.preventDefault();
  shown(false);
  const refusal = target ? target.refusal() : 'Open a directory of a device first, and drop files there.';
  if (refusal) {
    toast(refusal, 'error');
    return;
  }
  const items = [...e.dataTransfer.items].map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry());
  if (items.some((item) => item && item.isDirectory)) toast('Directories are not taken yet: drop the files in them.', 'error');
  const files = [...e.dataTransfer.files].filter((_, i) => !items[i] || items[i].isFile);
  if (files.length) target.take(files);
});
