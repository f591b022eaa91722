// SPDX-License-Identifier: MIT
// The one way elements are made. Text is set as text, never as markup: names
// come from devices and are hostile.

/**
 * Makes an element.
 * @param {string} tag "button", or "button.primary" with classes
 * @param {Object<string, any>} [props] attributes; on* are listeners; undefined and false are left out
 * @param {...(Node|string|null|undefined|false)} children strings become text nodes
 * @returns {HTMLElement}
 */
export function el(tag, props = {}, ...children) {
  const [name, ...classes] = tag.split('.');
  const node = document.createElement(name);
  node.classList.add(...classes);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === false || value === null) continue;
    if (key.startsWith('on')) node.addEventListener(key.slice(2).toLowerCase(), value);
    else if (value === true) node.setAttribute(key, '');
    else node.setAttribute(key, String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/**
 * A name as people may read it: characters that hide, reorder or imitate are
 * shown by their numbers.
 * @param {string} name
 */
export function shownName(name) {
  // eslint-disable-next-line no-control-regex
  return name.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
}

/** @param {number} size bytes */
export function sizeText(size) {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let unit = 0;
  for (; size >= 1024 && unit < units.length - 1; unit++) size /= 1024;
  return `${unit && size < 10 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

/**
 * @param {string|number|undefined} time RFC 3339, or seconds
 * @param {'short'|'medium'} timeStyle medium has seconds
 */
export function timeText(time, timeStyle = 'short') {
  if (time === undefined || time === null) return '';
  const date = new Date(typeof time === 'number' ? time * 1000 : time);
  return Number.isNaN(date.getTime()) ? '' : date.toLocaleString(undefined, { dateStyle: 'medium', timeStyle });
}

/**
 * Sets a meter. What has no `aria-valuenow` is under way, nobody knows how far.
 * @param {HTMLElement} node from meter()
 * @param {number|null} part 0..1; null: unknown
 */
export function setMeter(node, part) {
  node.classList.toggle('unknown', part === null);
  if (part === null) {
    node.removeAttribute('aria-valuenow');
    node.firstChild.style.width = '';
    return;
  }
  const percent = Math.max(0, Math.min(100, part * 100));
  node.setAttribute('aria-valuenow', Math.floor(percent)); // 100 is all, not nearly all
  node.firstChild.style.width = `${percent}%`;
}

/**
 * A bar of how much of something is done or used.
 * @param {number|null} part
 * @param {string} label for those who do not see it
 */
export function meter(part, label) {
  const node = el('div.meter', { role: 'progressbar', 'aria-label': label, 'aria-valuemin': 0, 'aria-valuemax': 100 }, el('div.bar', {}));
  setMeter(node, part);
  return node;
}

/**
 * Puts other children in a node; what had the focus, by its label, has it
 * again.
 * @param {HTMLElement} node
 * @param {...(Node|null)} children
 */
export function refill(node, ...children) {
  const focused = node.contains(document.activeElement) ? document.activeElement : null;
  const label = focused && focused.getAttribute('aria-label');
  node.replaceChildren(...children.filter(Boolean));
  if (focused && label) [...node.querySelectorAll('[aria-label]')].find((other) => other.getAttribute('aria-label') === label)?.focus();
}

/**
 * A function that does its work a little later, once for many calls, and never
 * twice at a time.
 * @param {() => Promise<any>} work
 * @param {number} delay_ms
 */
export function soon(work, delay_ms) {
  let waiting = false;
  let running = false;
  return function call() {
    if (waiting) return;
    waiting = true;
    setTimeout(async function start() {
      if (running) {
        setTimeout(start, delay_ms);
        return;
      }
      waiting = false;
      running = true;
      try {
        await work();
      } finally {
        running = false;
      }
    }, delay_ms);
  };
}
