// SPDX-License-Identifier: MIT
// What is under way: uploads of this page and jobs of the daemon, each with
// its progress and a way to give it up.
import { api } from './api.js';
import { el, meter, shownName, sizeText } from './dom.js';

const list = el('ul', {});
export const tray = el('section.tray', { 'aria-label': 'Under way', hidden: true }, el('h2', {}, 'Under way'), list);

/**
 * A row of the tray.
 * @param {string} title
 * @param {() => void} cancel
 */
function row(title, cancel) {
  const state = el('span.state', {}, 'waiting');
  const bar = el('div.slot', {}, meter(0, title));
  const stop = el('button', { title: 'Give up', 'aria-label': `Give up ${title}`, onclick: cancel }, '×');
  const item = el('li', {}, el('span.title', {}, title), state, stop, bar);
  list.append(item);
  tray.hidden = false;
  return {
    show(part, text) {
      bar.replaceChildren(meter(part, title));
      state.textContent = text;
    },
    end(text, failed) {
      state.textContent = text;
      item.classList.add(failed ? 'failed' : 'done');
      stop.remove();
      setTimeout(() => {
        item.remove();
        tray.hidden = !list.children.length;
      }, failed ? 15000 : 4000);
    },
  };
}

/**
 * Uploads files one after another: a serial line is no faster for two.
 * @param {{url: string, file: File}[]} files
 * @param {() => void} onDone after each
 */
export async function upload(files, onDone) {
  const queue = files.map(({ url, file }) => {
    const handle = { cancelled: false, cancel() { this.cancelled = true; } };
    return { url, file, handle, row: row(shownName(file.name), () => handle.cancel()) };
  });
  for (const item of queue) {
    try {
      if (item.handle.cancelled) throw Object.assign(new Error('given up'), { code: 'CANCELED' });
      await api.upload(item.url, item.file, (part) => item.row.show(part,
        part < 1 ? `${Math.round(part * 100)} % of ${sizeText(item.file.size)}` : 'verifying on flash'), item.handle);
      item.row.show(1, '');
      item.row.end('stored', false);
    } catch (error) {
      item.row.end(error.hint ? `${error.message}; ${error.hint}` : error.message, true);
    }
    onDone();
  }
}

/**
 * Follows a job to its end.
 * @param {{id: string}} job
 * @param {string} title
 * @returns {Promise<object>} the job as it ended
 */
export async function follow(job, title) {
  const line = row(title, () => api.cancelJob(job.id).catch(() => {}));
  for (;;) {
    let now;
    try {
      now = await api.job(job.id);
    } catch (error) {
      line.end(error.message, true);
      return { state: 'failed' };
    }
    const { done = 0, total = 0 } = now.progress || {};
    if (['done', 'failed', 'cancelled'].includes(now.state)) {
      const why = typeof now.error === 'string' ? now.error : now.error && (now.error.detail || now.error.title);
      line.show(1, '');
      line.end(now.state === 'failed' && why ? why : now.state, now.state !== 'done');
      return now;
    }
    line.show(total ? done / total : 0, now.phase || now.state);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
