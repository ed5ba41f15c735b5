// The keys: a table to read and edit, lives ticking down.

import { $, coalesced, count, counted, duration, el, onClick, shown, toast, wordsOf } from './dom.js';

/** Rows shown at once. */
const SHOWN = 60;
const SOME = [
  ['cat', 'meow'], ['dog', 'woof'], ['cow', 'moo'], ['fox', '?'], ['session:ada', '{"theme":"dark"}', 45], ['cart:17', '3 apples, 1 pear', 90],
];

export class KeyTable {
  #store; #keys = new Set(); #rows = new Map(); #fresh = new Set(); #stop; #loaded = false;
  #draw = coalesced(() => this.#show());
  /** Called with a key whose row is pointed at. */
  onPoint = () => {};
  /** Called when keys have come or gone. */
  onKeys = () => {};

  constructor() {
    $('put').addEventListener('submit', (event) => { event.preventDefault(); this.#put().catch((error) => toast(wordsOf(error))); });
    $('prefix').addEventListener('input', () => this.#draw());
    onClick('try-some', async () => {
      await Promise.all(SOME.map(([key, value, seconds]) => this.#store.set(key, value, seconds ? { ttl: seconds * 1000 } : {})));
      await this.#store.set('cow', 'moooo');
    });
    onClick('churn', () => this.#churn());
    setInterval(() => this.#tick(), 1000);
  }

  get keys() { return this.#keys; }

  async show(store) {
    this.#stop?.();
    this.#store = store;
    this.#rows.clear();
    $('rows').replaceChildren();
    this.#stop = store.watch('', (changes) => this.#changed(changes));
    await this.#load();
  }

  async #load() {
    this.#loaded = false;
    this.#keys = new Set((await this.#store.keys()).map((key) => (typeof key === 'string' ? key : undefined)).filter((key) => key !== undefined));
    this.#loaded = true;
    this.onKeys();
    this.#draw();
  }

  #changed(changes) {
    for (const { type, key } of changes) {
      if (type === 'reset') return void this.#load();
      if (type === 'clear') this.#keys.clear();
      else if (typeof key !== 'string') continue;
      else if (type === 'set') { this.#keys.add(key); this.#fresh.add(key); } else this.#keys.delete(key);
    }
    this.onKeys();
    this.#draw();
  }

  async #put() {
    const [key, value] = [$('put-key').value, $('put-value').value];
    const seconds = Number($('put-ttl').value);
    await this.#store.set(key, value, seconds ? { ttl: seconds * 1000 } : {});
    $('put').reset();
    $('put-key').focus();
  }

  /** Writes every third key again. */
  async #churn() {
    const some = [...this.#keys].filter(() => Math.random() < 1 / 3).slice(0, 12_000);
    const keys = some.length ? some : [...this.#keys];
    if (!keys.length) return toast('There is nothing to overwrite yet.');
    for (let at = 0; at < keys.length; at += 1000) {
      const part = keys.slice(at, at + 1000);
      const entries = await Promise.all(part.map((key) => this.#store.entry(key)));
      const batch = this.#store.batch();
      part.forEach((key, i) => { if (entries[i]) batch.set(key, entries[i].value, entries[i].expires ? { expires: entries[i].expires } : {}); });
      await batch.commit({ durability: 'written' });
    }
    return toast(`${counted(keys.length, 'key')} written again: their older records are dead now.`);
  }

  async #show() {
    if (!this.#loaded) return;
    const prefix = $('prefix').value;
    const fits = [...this.#keys].filter((key) => key.startsWith(prefix));
    // What people typed comes before the data set.
    const rank = (key) => (key.startsWith('U+') ? 1 : 0);
    const chosen = fits.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1)).slice(0, SHOWN);
    const entries = await Promise.all(chosen.map((key) => this.#store.entry(key)));
    const rows = [];
    for (const [at, key] of chosen.entries()) {
      const entry = entries[at];
      if (!entry) { this.#keys.delete(key); continue; }
      rows.push(this.#row(key, entry));
    }
    const keep = new Set(rows);
    for (const [key, row] of this.#rows) {
      if (keep.has(row)) continue;
      row.remove();
      this.#rows.delete(key);
    }
    // Rows are moved only where the order differs, so that nobody loses the focus.
    rows.forEach((row, at) => { if ($('rows').children[at] !== row) $('rows').insertBefore(row, $('rows').children[at] ?? null); });
    $('no-keys').hidden = this.#keys.size > 0 || prefix !== '';
    $('table').hidden = !$('no-keys').hidden;
    $('more-keys').hidden = fits.length <= SHOWN;
    $('more-keys').textContent = `The first ${SHOWN} of ${count(fits.length)} keys. Type how a key starts to see others.`;
    this.#fresh.clear();
    this.#tick();
  }

  #row(key, entry) {
    const row = this.#rows.get(key) ?? this.#newRow(key);
    const input = row.querySelector('input');
    if (input !== document.activeElement) input.value = shown(entry.value);
    row.entry = entry;
    if (row.expires !== entry.expires) row.whole = entry.expires - Date.now();
    row.expires = entry.expires;
    row.classList.remove('fresh');
    if (this.#fresh.has(key)) { void row.offsetWidth; row.classList.add('fresh'); }
    return row;
  }

  #newRow(key) {
    const input = el('input', { 'aria-label': `value of ${key}`, spellcheck: 'false' });
    const save = async () => {
      if (input.value === shown(row.entry.value)) return;
      try {
        await this.#store.set(key, input.value, row.expires ? { expires: row.expires } : {});
      } catch (error) { toast(wordsOf(error)); }
    };
    input.addEventListener('change', save);
    input.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') { input.value = shown(row.entry.value); input.blur(); }
    });
    const remove = el('button', { type: 'button', 'aria-label': `delete ${key}`, title: 'Delete' }, '×');
    remove.addEventListener('click', () => {
      const next = row.nextElementSibling ?? row.previousElementSibling;
      this.#store.del(key).catch((error) => toast(wordsOf(error)));
      (next?.querySelector('.acts button') ?? $('put-key')).focus();
    });
    const row = el('tr', {},
      el('td', { class: 'name', title: key }, key), el('td', { class: 'value' }, input), el('td', { class: 'life' }), el('td', { class: 'acts' }, remove));
    row.addEventListener('pointerenter', () => this.onPoint(key));
    row.addEventListener('focusin', () => this.onPoint(key));
    this.#rows.set(key, row);
    return row;
  }

  #tick() {
    const now = Date.now();
    for (const [key, row] of this.#rows) {
      const life = row.querySelector('.life');
      if (!row.expires) { if (life.textContent) life.replaceChildren(); life.classList.remove('ticking'); continue; }
      const left = row.expires - now;
      if (left <= 0) {
        row.remove();
        this.#rows.delete(key);
        this.#keys.delete(key);
        this.onKeys();
        this.#draw();
        continue;
      }
      life.classList.add('ticking');
      if (!life.firstElementChild) life.replaceChildren(el('span'), el('i'));
      life.firstElementChild.textContent = duration(left);
      life.lastElementChild.style.setProperty('--left', Math.min(1, left / row.whole));
    }
  }
}
