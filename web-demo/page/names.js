// Search over the data set: the names of Unicode's characters, kept in the store, one key each.

import { $, coalesced, count, el, onClick } from './dom.js';

const DATA = './data/unicode-names.tsv';
const PREFIX = 'U+';
const BATCH = 2000;
const SHOWN = 120;

export class Names {
  #store; #list = []; #index;
  #search = coalesced(() => this.#find(), 20);
  /** Called with the key of a character that was chosen. */
  onChoose = () => {};

  constructor() {
    onClick('load-names', () => this.#load());
    $('query').addEventListener('input', () => this.#search());
  }

  /** Another store, with these keys. */
  async show(store, keys) {
    this.#store = store;
    this.#list = [];
    $('found').replaceChildren();
    $('query').value = '';
    let known = 0;
    for (const key of keys) if (key.startsWith(PREFIX)) known += 1;
    if (known) await this.#read();
    else this.#ready();
  }

  #ready() {
    $('query').disabled = !this.#list.length;
    $('load-names').hidden = this.#list.length > 0;
  }

  /** Loads the file and writes it to the store. */
  async #load() {
    const said = $('names-said');
    const bar = $('load-progress');
    const answer = await fetch(DATA);
    if (!answer.ok) throw new Error(`the data set is not there: ${answer.status}`);
    const lines = (await answer.text()).trimEnd().split('\n').map((line) => line.split('\t'));
    bar.hidden = false;
    const started = performance.now();
    for (let at = 0; at < lines.length; at += BATCH) {
      const entries = lines.slice(at, at + BATCH).map(([code, name, kind]) => [PREFIX + code, `${name}\t${kind}`]);
      await this.#store.setMany(entries);
      bar.value = (at + entries.length) / lines.length;
      said.textContent = `${count(at + entries.length)} of ${count(lines.length)} …`;
    }
    const seconds = (performance.now() - started) / 1000;
    bar.hidden = true;
    await this.#read();
    said.textContent = `${count(lines.length)} names written and flushed in ${seconds.toFixed(2)} s, ${count(lines.length / seconds)} a second, in ${Math.ceil(lines.length / BATCH)} batches. ${said.textContent}`;
    $('query').focus();
  }

  /** Reads them back from the store: searching looks at what it keeps, not at the file. */
  async #read() {
    const started = performance.now();
    this.#list = [];
    for await (const [key, value] of this.#store.scan({ prefix: PREFIX })) {
      const [name, kind] = value.split('\t');
      this.#list.push({ key, name, kind, code: parseInt(key.slice(PREFIX.length), 16) });
    }
    this.#list.sort((a, b) => a.code - b.code);
    $('names-said').textContent = `${count(this.#list.length)} names read from the store in ${Math.round(performance.now() - started)} ms. Type words of a name, or a code.`;
    this.#ready();
    this.#search();
  }

  async #find() {
    const words = $('query').value.toUpperCase().split(/\s+/).filter(Boolean);
    if (!words.length) return $('found').replaceChildren();
    const started = performance.now();
    const found = this.#list.filter(({ name, key }) => words.every((word) => name.includes(word) || key === word || key === PREFIX + word));
    // Whole words first, then short names.
    const first = words[0];
    const score = ({ name }) => (name.split(/[ -]/).includes(first) ? 0 : 100) + name.length;
    found.sort((a, b) => score(a) - score(b));
    const took = performance.now() - started;
    const top = found.slice(0, SHOWN);
    $('found').replaceChildren(...top.map((one) => el('li', {}, this.#button(one))));
    $('names-said').textContent = `${count(found.length)} of ${count(this.#list.length)} in ${took.toFixed(1)} ms${found.length > SHOWN ? `; the first ${SHOWN} are shown` : ''}. Choose one to see its record in the log.`;
    return undefined;
  }

  #button({ key, name, kind, code }) {
    const visible = !/^(C[cfsno]|Z|M)/.test(kind) && !name.startsWith('<');
    const glyph = visible ? String.fromCodePoint(code) : kind.startsWith('M') ? `◌${String.fromCodePoint(code)}` : '·';
    return el('button', { type: 'button', onclick: () => this.onChoose(key) },
      el('span', { class: 'glyph', 'aria-hidden': 'true' }, glyph), el('span', { class: 'name' }, name.toLowerCase()), el('span', { class: 'code' }, key));
  }
}
