// Small things that every part of the page needs.

/** The element with this id. */
export const $ = (id) => document.getElementById(id);

/** An element: `el('li', { class: 'x', onclick }, 'text', child)`. */
export function el(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name.startsWith('--')) element.style.setProperty(name, value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children);
  return element;
}

const whole = new Intl.NumberFormat('en');
/** 34924 as "34,924". */
export const count = (number) => whole.format(Math.round(number));
/** "1 key", "2 keys". */
export const counted = (number, noun) => `${count(number)} ${noun}${number === 1 ? '' : 's'}`;

/** Bytes for people. */
export function bytes(number) {
  if (number < 1000) return `${number} B`;
  if (number < 1_000_000) return `${(number / 1000).toFixed(number < 100_000 ? 1 : 0)} kB`;
  return `${(number / 1_000_000).toFixed(number < 100_000_000 ? 1 : 0)} MB`;
}

/** Time that is left, for people. */
export function duration(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds / 60) % 60} min`;
  return `${Math.floor(seconds / 86_400)} days`;
}

const strict = new TextDecoder('utf-8', { fatal: true });
/** Bytes as text where they are text, else as hexadecimal. */
export function shown(raw) {
  if (typeof raw === 'string') return raw;
  try {
    const text = strict.decode(raw);
    if (!/[\0-\x08\x0e-\x1f]/.test(text)) return text;
  } catch { /* bytes, then */ }
  const hex = Array.from(raw.subarray(0, 24), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  return raw.length > 24 ? `${hex} ..` : hex;
}

let toastTimer;
/** Says something for a moment, also to those who do not see it. */
export function toast(text) {
  $('toast').textContent = text;
  $('toast').classList.add('shown');
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => $('toast').classList.remove('shown'), 3600);
}

/** An error in words. */
export const wordsOf = (error) => (error?.code ? `${error.code}: ${error.message}` : String(error?.message ?? error));

/** Runs what a button does, once at a time, and tells what went wrong. */
export function onClick(id, act) {
  const button = $(id);
  button.addEventListener('click', async () => {
    if (button.disabled) return;
    button.disabled = true;
    try { await act(); } catch (error) { toast(wordsOf(error)); } finally { button.disabled = false; }
  });
}

/** Calls `act` soon after it was asked for, never twice at once, and again if it was asked for meanwhile. */
export function coalesced(act, pause = 60) {
  let [wanted, running] = [false, false];
  const run = async () => {
    if (running) return;
    running = true;
    while (wanted) {
      wanted = false;
      try { await act(); } catch (error) { console.warn(error); }
      await new Promise((done) => { setTimeout(done, pause); });
    }
    running = false;
  };
  return () => { wanted = true; queueMicrotask(run); };
}
