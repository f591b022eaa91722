// SPDX-License-Identifier: MIT
// What is under way: uploads of this page and jobs of the daemon, each with
// its progress and a way to give it up.
import { api } from './api.js';
import { el, meter, setMeter, shownName, sizeText } from './dom.js';

const list = el('ul', {});
const title = el('h2', {});
export const tray = el('section.tray', { 'aria-label': 'Uploads and jobs', hidden: true }, title, list);

/** Says what the rows are: still under way, or how they ended. */
function retitle() {
  const failed = list.querySelectorAll('.failed').length;
  tray.hidden = !list.children.length;
  title.textContent = list.querySelector('li:not(.ended)') ? 'Under way' : failed ? `Finished, ${failed} failed` : 'Finished';
}

/**
 * A row of the tray.
 * @param {string} name
 * @param {() => void} cancel
 */
function row(name, cancel) {
  const state = el('span.state', {}, 'waiting');
  const bar = meter(0, name);
  const stop = el('button', { title: 'Give up', 'aria-label': `Give up ${name}`, onclick: cancel }, '×');
  const item = el('li', {}, el('span.title', { title: name }, name), state, stop, bar);
  list.append(item);
  retitle();
  return {
    /** @param {number|null} part null: nobody knows @param {string} text */
    show(part, text) {
      setMeter(bar, part);
      state.textContent = text;
    },
    /** Only what was done has a full bar. @param {'done'|'failed'|'cancelled'} how @param {string} text */
    end(how, text) {
      state.textContent = text;
      item.classList.add('ended', how);
      if (how === 'done') setMeter(bar, 1);
      else bar.remove();
      stop.remove();
      retitle();
      setTimeout(() => {
        item.remove();
        retitle();
      }, how === 'failed' ? 15000 : 4000);
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
      await api.upload(item.url, item.file, (sent, total) => {
        if (sent < total) item.row.show(sent / total, `${sizeText(sent)} of ${sizeText(total)} to flashportd`);
        else item.row.show(null, 'sending to the device');
      }, item.handle);
      item.row.end('done', 'stored');
    } catch (error) {
      if (error.code === 'CANCELED') item.row.end('cancelled', 'given up');
      else item.row.end('failed', error.hint ? `${error.message}; ${error.hint}` : error.message);
    }
    onDone();
  }
}

/** What a job waits for most. @param {string | undefined} limit */
const limitText = (limit) => limit && `waits for the ${limit === 'link' ? 'line' : limit}`;

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
      line.end('failed', error.message);
      return { state: 'failed' };
    }
    const { done = 0, total = 0, limit } = now.progress || {};
    if (['done', 'failed', 'cancelled'].includes(now.state)) {
      const why = typeof now.error === 'string' ? now.error : now.error && (now.error.detail || now.error.title);
      line.end(now.state, now.state === 'failed' && why ? why : now.state);
      return now;
    }
    line.show(total ? done / total : now.state === 'running' ? null : 0, [now.phase || now.state, limitText(limit)].filter(Boolean).join(', '));
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
