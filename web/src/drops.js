// SPDX-License-Identifier: MIT
// Files that are dropped, wherever in the window: the view that is shown takes
// them. A browser left alone would open the file in the page's place.
import { toast } from './dialog.js';

/** @type {{node: HTMLElement, take: (files: File[]) => void, refusal: () => string}|null} */
let target = null;

/**
 * Drops go to a view for as long as it is shown.
 * @param {HTMLElement} node shown as what takes them
 * @param {{take: (files: File[]) => void, refusal: () => string}} taker refusal: why not, "" when it takes them
 * @param {AbortSignal} signal
 */
export function dropsTo(node, { take, refusal }, signal) {
  const mine = { node, take, refusal };
  target = mine;
  signal.addEventListener('abort', () => {
    if (target === mine) target = null;
  });
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
