// SPDX-License-Identifier: MIT
// Every call to the daemon, and the one type its refusals become.

/** What the daemon, or the way to it, answered instead of what was asked. */
export class ApiError extends Error {
  /**
   * @param {number} status of HTTP; 0 when the daemon was not reached
   * @param {{title?: string, detail?: string, hint?: string, code?: string}} problem
   */
  constructor(status, problem) {
    super(problem.detail || problem.title || `the daemon answered ${status}`);
    this.status = status;
    this.hint = problem.hint;
    this.code = problem.code;
  }
}

const unreached = () => new ApiError(0, { detail: 'flashportd cannot be reached', hint: 'is it still running?' });

/** A JSON object; an empty one when it is none. @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

/**
 * @param {string} method
 * @param {string} path "/api/v1/..." or an href of a listing
 * @param {{body?: any, headers?: Object<string, string>}} [options]
 */
async function call(method, path, { body, headers = {} } = {}) {
  const init = { method, headers: { Accept: 'application/json', ...headers } };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers['Content-Type'] = 'application/json';
  }
  let response;
  try {
    response = await fetch(path, init);
  } catch {
    throw unreached();
  }
  const text = await response.text();
  if (!response.ok) throw new ApiError(response.status, parsed(text));
  return { data: text ? parsed(text) : {}, location: response.headers.get('Location') };
}

const enc = encodeURIComponent;
const device = (id) => `/api/v1/devices/${enc(id)}`;

/** The URL of a file or, with a trailing slash, a directory. @param {string} id @param {string} path encoded */
export const fileUrl = (id, path) => `${device(id)}/fs${path}`;

/** @typedef {{name: string, href: string, name_hex?: string, type: 'file'|'dir', size: number, mtime?: string}} Entry */

export const api = {
  /** Trades a token for the session that all other calls go by. @param {string} token */
  login: (token) => call('GET', '/?login', { headers: { Authorization: `Bearer ${token}` } }),

  devices: async () => (await call('GET', '/api/v1/devices')).data.devices,
  /** Ends the loan of its port to another program. @param {string} id */
  takeBack: (id) => call('DELETE', `${device(id)}/release`),
  device: async (id) => (await call('GET', device(id))).data,

  /**
   * A directory, all pages of it.
   * @param {string} url with a trailing slash
   * @returns {Promise<{entries: Entry[], writable: boolean, free: number, fs_gen: number}>}
   */
  async list(url) {
    const all = (await call('GET', url)).data;
    for (let next = all.next; next !== undefined && next !== null;) {
      const page = (await call('GET', `${url}?cursor=${enc(next)}`)).data;
      all.entries.push(...page.entries);
      next = page.next;
    }
    return all;
  },
  mkdir: (url) => call('MKCOL', url),
  remove: (url, recursive) => call('DELETE', recursive ? `${url}?recursive=1` : url),
  rename: (url, target) => call('MOVE', url, { headers: { Destination: target, Overwrite: 'F' } }),

  /**
   * Mount, unmount or format.
   * @param {string} id @param {string} volume "/flash" @param {{action: string, fs?: string, options?: object}} body
   */
  act: (id, volume, body) => call('POST', `${device(id)}/volumes${volume.split('/').map(enc).join('/')}`, { body }),

  snapshots: async (id) => (await call('GET', `/api/v1/snapshots?device=${enc(id)}`)).data.snapshots,
  /** @param {string} id @param {string} storage @param {string} [region] all of it without */
  takeSnapshot: async (id, storage, region) =>
    (await call('POST', '/api/v1/snapshots', { body: { device: id, storage, region } })).data,
  snapshot: async (id) => (await call('GET', `/api/v1/snapshots/${enc(id)}`)).data,
  deleteSnapshot: (id) => call('DELETE', `/api/v1/snapshots/${enc(id)}`),
  restore: async (id, target, storage) =>
    (await call('POST', `/api/v1/snapshots/${enc(id)}/restore`, { body: { device: target, storage } })).data,
  snapshotImage: (id) => `/api/v1/snapshots/${enc(id)}/image`,
  /** @param {string} id @param {string} path encoded */
  snapshotFiles: (id, path) => `/api/v1/snapshots/${enc(id)}/fs${path}`,

  job: async (id) => (await call('GET', `/api/v1/jobs/${enc(id)}`)).data,
  cancelJob: (id) => call('DELETE', `/api/v1/jobs/${enc(id)}`),

  /**
   * Sends a file; XMLHttpRequest, because fetch tells nothing of its progress.
   * The progress is that of the way to flashportd, which is ahead of the
   * device by what sockets and flashportd hold.
   * @param {string} url
   * @param {File} file
   * @param {(sent: number, total: number) => void} onProgress sent is total once all has left
   * @param {{cancel?: () => void}} handle gets the function that gives up
   */
  upload(url, file, onProgress, handle) {
    return new Promise((resolve, reject) => {
      const xhr = new XMLHttpRequest();
      xhr.open('PUT', url);
      if (file.lastModified) xhr.setRequestHeader('X-Flashport-Mtime', String(Math.floor(file.lastModified / 1000)));
      xhr.upload.onprogress = (e) => onProgress(e.loaded, e.total);
      xhr.upload.onload = (e) => onProgress(e.total, e.total);
      xhr.onload = () => (xhr.status < 300 ? resolve() : reject(new ApiError(xhr.status, parsed(xhr.responseText))));
      xhr.onerror = () => reject(unreached());
      xhr.onabort = () => reject(new ApiError(0, { detail: 'given up', code: 'CANCELED' }));
      handle.cancel = () => xhr.abort();
      xhr.send(file);
    });
  },

  /**
   * Tells of changes as they come. Where events do not get through, it says
   * every few seconds that nobody knows.
   * @param {(device: object|null) => void} onDevice the device as it is now; null: anything may have changed
   */
  watch(onDevice) {
    let timer;
    const open = () => {
      const source = new EventSource('/api/v1/events');
      source.onopen = () => {
        clearInterval(timer);
        timer = undefined;
        onDevice(null); // what changed before this listened
      };
      source.onerror = () => {
        timer = timer || setInterval(() => onDevice(null), 3000);
        if (source.readyState === EventSource.CLOSED) setTimeout(open, 3000);
      };
      source.addEventListener('device', (e) => onDevice(parsed(e.data)));
      source.addEventListener('lost', () => onDevice(null));
      source.addEventListener('job', (e) => {
        if (['done', 'failed', 'cancelled'].includes(parsed(e.data).state)) onDevice(null);
      });
    };
    open();
  },
};
