// SPDX-License-Identifier: MIT
// Questions before what can't be undone, and messages when something failed.
import { el } from './dom.js';

/**
 * @param {HTMLElement} form
 * @param {() => any} value what the answer is when it was not cancelled
 */
function ask(form, value) {
  return new Promise((resolve) => {
    const dialog = el('dialog', { 'aria-labelledby': 'dialog-title' }, form);
    dialog.addEventListener('close', () => {
      resolve(dialog.returnValue === 'ok' ? value() : null);
      dialog.remove();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/* The only submit button confirms, so that Enter in a field does. A dialog that
 * destroys has no field, and its Cancel has the focus: there Enter cancels. */
const buttons = (ok, danger) => el('menu', {},
  el('button', { type: 'button', autofocus: danger, onclick: (e) => e.target.closest('dialog').close() }, 'Cancel'),
  el(`button.${danger ? 'danger' : 'primary'}`, { value: 'ok', type: 'submit' }, ok));

/**
 * @param {{title: string, text: string, ok: string, danger?: boolean}} question
 * @returns {Promise<boolean>}
 */
export async function confirm({ title, text, ok, danger = true }) {
  const menu = buttons(ok, danger);
  if (!danger) menu.lastChild.autofocus = true;
  return (await ask(el('form', { method: 'dialog' }, el('h2', { id: 'dialog-title' }, title), el('p', {}, text), menu), () => true)) === true;
}

/**
 * Asks for a name; one that a path can't hold is not taken.
 * @param {{title: string, label: string, value?: string, ok: string}} question
 * @returns {Promise<string|null>}
 */
export function askName({ title, label, value = '', ok }) {
  const input = el('input', { type: 'text', value, required: true, autocomplete: 'off', autofocus: true, id: 'dialog-name',
    spellcheck: 'false' });
  input.addEventListener('input', () => input.setCustomValidity(
    /\//.test(input.value) || ['.', '..'].includes(input.value) ? 'A name has no "/" in it and is not "." or "..".' : ''));
  const answer = ask(el('form', { method: 'dialog' }, el('h2', { id: 'dialog-title' }, title),
    el('label', { for: 'dialog-name' }, label), input, buttons(ok, false)), () => input.value);
  input.setSelectionRange(0, value.lastIndexOf('.') > 0 ? value.lastIndexOf('.') : value.length);
  return answer;
}

/**
 * Asks which filesystem is to be made, of what the device can make. The volume
 * loses all it has, so Enter does not do it.
 * @param {{title: string, text: string, filesystems: string[], value: string|null}} question
 * @returns {Promise<string|null>}
 */
export function askFormat({ title, text, filesystems, value }) {
  const names = filesystems.length ? filesystems : ['littlefs'];
  const select = el('select', { id: 'dialog-fs' }, ...names.map((name) => el('option', { value: name, selected: name === value }, name)));
  return ask(el('form', { method: 'dialog' }, el('h2', { id: 'dialog-title' }, title), el('p', {}, text),
    el('label', { for: 'dialog-fs' }, 'Filesystem'), select, buttons('Format', true)), () => select.value);
}

const toasts = el('div.toasts', { role: 'status', 'aria-live': 'polite' });

/** Says something for a while. @param {string} text @param {'error'|'info'} kind */
export function toast(text, kind = 'info', hint = '') {
  if (!toasts.isConnected) document.body.append(toasts);
  const note = el(`div.toast.${kind}`, {}, el('span', {}, text), hint ? el('small', {}, hint) : null,
    el('button', { 'aria-label': 'Dismiss', onclick: () => note.remove() }, '×'));
  toasts.append(note);
  setTimeout(() => note.remove(), kind === 'error' ? 12000 : 4000);
}

/**
 * Runs what a button does, and says so when it fails.
 * @param {() => Promise<any>} work
 * @param {(error: import('./api.js').ApiError) => string|null} [words] better ones than the error's
 */
export async function trying(work, words = () => null) {
  try {
    return await work();
  } catch (error) {
    if (error.code !== 'CANCELED') toast(words(error) || error.message, 'error', error.hint);
    return undefined;
  }
}
