// SPDX-License-Identifier: MIT
// Asks for a token, which the daemon trades for a session. The token travels
// in a header: URLs are kept in histories and logs.
import { api } from './api.js';
import { el } from './dom.js';

/** The token in what was pasted, which may be the whole URL; "" when there is none. @param {string} text */
function tokenIn(text) {
  const token = (text.match(/[?&]token=([^&#\s]+)/) || [undefined, text.trim()])[1];
  return /^[\x21-\x7e]+$/.test(token) ? token : '';
}

/**
 * @param {() => void} onSession
 * @param {string} why it is asked for
 */
export function loginView(onSession, why) {
  const input = el('input', { type: 'password', id: 'token', required: true, autocomplete: 'off', autofocus: true, spellcheck: 'false' });
  const said = el('p.reason', { role: 'alert' }, why);
  const form = el('form.login', {}, el('h2', {}, 'A token is needed'), said,
    el('label', { for: 'token' },
      'Open the URL that flashportd printed, or paste its token (it is in ', el('code', {}, 'admin.token'), ' in the data directory).'),
    el('div.field', {}, input, el('button.primary', { type: 'submit' }, 'Open')));
  form.addEventListener('submit', async (e) => {
    e.preventDefault();
    const token = tokenIn(input.value);
    try {
      if (!token) throw new Error('A token is one word, fp_ and what follows.');
      await api.login(token);
      onSession();
    } catch (error) {
      said.textContent = error.message;
      input.select();
    }
  });
  return { node: el('main', {}, form) };
}
