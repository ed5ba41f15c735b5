// The log: a strip for each segment, the records around one place, and the bytes of one record.

import { $, bytes, coalesced, count, counted, duration, el, onClick, shown } from './dom.js';
import { fieldsOf } from './fields.js';
import { LogModel, isLive } from './model.js';

/** Records shown at once. */
const SHOWN = 90;
const HEX_ROW = 8;

export class LogView {
  #store; #model; #strips = new Map(); #selected; #follows = true;
  /** The place that is shown: a segment, and the number of its first record that is shown. */
  #segment; #from = 0;
  #draw = coalesced(() => this.#refresh());
  /** Called when the log was read anew. */
  onRead = () => {};
  /** How much of the log is live, for people. */
  share = '–';

  constructor() {
    onClick('merge', () => this.#merge());
    $('older').addEventListener('click', () => this.#turn(-1));
    $('newer').addEventListener('click', () => this.#turn(1));
    $('lane').addEventListener('keydown', (event) => this.#walk(event));
    new ResizeObserver(() => this.#paintAll()).observe($('strips'));
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#paintAll());
    new MutationObserver(() => this.#paintAll()).observe(document.documentElement, { attributeFilter: ['data-theme'] });
    setInterval(() => { if (this.#expired() || this.#selected?.expires > Date.now()) this.#draw(); }, 1000);
  }

  /** Shows another store from now on. */
  show(store, name) {
    this.#store = store;
    this.#model = new LogModel(name);
    this.#strips.clear();
    $('strips').replaceChildren();
    this.#segment = this.#selected = undefined;
    this.#follows = true;
    this.#draw();
  }

  /** Something was written. */
  changed() { this.#draw(); }

  /** Shows the newest record of a key. */
  async reveal(key) {
    const record = this.#model.find(key);
    if (!record) return;
    this.#segment = record.segment;
    this.#from = Math.max(0, record.segment.records.indexOf(record) - Math.floor(SHOWN / 2));
    this.#follows = false;
    this.#lane([]);
    await this.#inspect(record);
  }

  #nextExpiry = Infinity;
  #expired() { return this.#model && Date.now() >= this.#nextExpiry; }

  async #refresh() {
    const model = this.#model;
    if (!model) return;
    const read = await model.refresh(this.#store).catch((error) => {
      // A file that is written or removed while it is read refuses; it is read again.
      if (!/^Not(Readable|Found)Error$/.test(error.name)) throw error;
    });
    if (model !== this.#model) return;
    if (!read) return this.#draw();
    const { news, shrunk } = read;
    this.onRead();
    const now = Date.now();
    this.#nextExpiry = Infinity;
    for (const { records } of model.segments) {
      for (const { live, expires } of records) if (live && expires > now) this.#nextExpiry = Math.min(this.#nextExpiry, expires);
    }
    if (this.#follows || !model.segments.includes(this.#segment)) {
      this.#segment = news.at(-1)?.segment ?? model.segments.findLast(({ records }) => records.length) ?? model.segments.at(-1);
      this.#from = Math.max(0, (this.#segment?.records.length ?? 0) - SHOWN);
      this.#follows = true;
    }
    this.#showStrips();
    this.#lane(shrunk ? [] : news);
    const still = this.#selected && model.segments.includes(this.#selected.segment);
    if (this.#follows && news.length && !shrunk) await this.#inspect(news.findLast(({ kind }) => kind === 'put' || kind === 'delete') ?? news.at(-1), true);
    else await this.#inspect(still ? this.#selected : this.#segment?.records.findLast(({ kind }) => kind === 'put'), true);
  }

  // Strips.

  #showStrips() {
    const now = Date.now();
    const largest = Math.max(1, ...this.#model.segments.map(({ size }) => size));
    for (const [segment, { row }] of this.#strips) {
      if (this.#model.segments.includes(segment)) continue;
      this.#strips.delete(segment);
      row.classList.add('leaves');
      setTimeout(() => row.remove(), matchMedia('(prefers-reduced-motion: reduce)').matches ? 0 : 600);
    }
    let [lives, bytesOfAll] = [0, 0];
    for (const segment of this.#model.segments) {
      if (!segment.records.length && this.#model.segments.length > 1) continue;
      const strip = this.#strips.get(segment) ?? this.#newStrip(segment);
      let [live, all] = [0, 0];
      for (const record of segment.records) {
        all += record.bytes;
        if (isLive(record, now)) live += record.bytes;
      }
      const share = shareOf(live, all);
      lives += live;
      bytesOfAll += all;
      strip.about.replaceChildren(el('b', {}, `segment ${segment.id}`), el('span', {}, `${segment.state} · ${bytes(segment.size)}`));
      strip.share.textContent = share;
      strip.bar.setAttribute('aria-label', `Segment ${segment.id}: ${counted(segment.records.length, 'record')}, ${bytes(segment.size)}, ${share} live. Arrow keys move through it.`);
      strip.canvas.style.width = `${Math.max(3, 100 * segment.size / largest)}%`;
      this.#paint(segment, strip);
    }
    this.share = shareOf(lives, bytesOfAll);
  }

  #newStrip(segment) {
    const about = el('div', { class: 'about' });
    const canvas = el('canvas');
    const here = el('span', { class: 'here' });
    const bar = el('div', { class: 'bar', tabindex: 0, role: 'slider', 'aria-valuemin': 0 }, canvas, here);
    const share = el('span', { class: 'share', title: 'live bytes' });
    const row = el('div', { class: 'strip arrives' }, about, bar, share);
    bar.addEventListener('click', (event) => {
      const box = canvas.getBoundingClientRect();
      this.#lookAt(segment, (event.clientX - box.left) / box.width);
    });
    bar.addEventListener('keydown', (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      if (this.#segment !== segment) this.#lookAt(segment, step > 0 ? 0 : 1);
      else this.#turn(step);
    });
    const strip = { row, about, bar, canvas, here, share };
    this.#strips.set(segment, strip);
    $('strips').append(row);
    return strip;
  }

  /** Shows the records at a fraction of a segment. */
  #lookAt(segment, part) {
    const at = part * segment.readTo;
    const index = Math.max(0, segment.records.findIndex(({ offset, bytes }) => offset + bytes >= at));
    this.#segment = segment;
    this.#from = Math.max(0, Math.min(index - SHOWN / 2, segment.records.length - SHOWN));
    this.#follows = segment.state === 'grows' && this.#from + SHOWN >= segment.records.length;
    this.#lane([]);
  }

  #paintAll() { for (const [segment, strip] of this.#strips) this.#paint(segment, strip); }

  /** One column of pixels for so many bytes, coloured by what they are. */
  #paint(segment, { canvas, here }) {
    const scale = devicePixelRatio || 1;
    const [width, height] = [Math.round(canvas.clientWidth * scale), Math.round(canvas.clientHeight * scale)];
    if (!width || !height) return;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const pen = canvas.getContext('2d');
    const style = getComputedStyle(canvas);
    const probe = (name) => {
      pen.fillStyle = resolved(style, name);
      return pen.fillStyle;
    };
    const colours = { live: probe('--live'), dead: probe('--dead'), gone: probe('--gone'), meta: probe('--meta'), damaged: probe('--torn') };
    const total = segment.size;
    const now = Date.now();
    pen.clearRect(0, 0, width, height);
    pen.fillStyle = colours.dead;
    pen.globalAlpha = 0.35;
    // Nothing lies there yet: an empty track.
    if (segment.records.length) pen.fillRect(0, 0, width, height);
    pen.globalAlpha = 1;
    // Several records may share a column: each gives it its share.
    const columns = Array.from({ length: width }, () => ({ live: 0, dead: 0, gone: 0, meta: 0, damaged: 0 }));
    for (const record of segment.records) {
      const kind = classOf(record, now);
      const from = record.offset / total * width;
      const to = (record.offset + record.bytes) / total * width;
      for (let at = Math.floor(from); at < Math.min(width, Math.ceil(to)); at += 1) {
        columns[at][kind] += Math.min(to, at + 1) - Math.max(from, at);
      }
    }
    for (const [at, column] of columns.entries()) {
      let y = height;
      for (const kind of ['live', 'meta', 'gone', 'damaged', 'dead']) {
        const part = column[kind] * height;
        if (!part) continue;
        pen.fillStyle = colours[kind];
        y -= part;
        pen.fillRect(at, y, 1, part + 0.5);
      }
    }
    const bar = canvas.parentElement;
    bar.setAttribute('aria-valuemax', segment.records.length);
    bar.setAttribute('aria-valuenow', this.#segment === segment ? this.#from : 0);
    const few = segment.records.length < width / (6 * scale);
    if (few) {
      pen.fillStyle = resolved(style, '--card');
      for (const { offset } of segment.records) pen.fillRect(Math.round(offset / total * width), 0, scale, height);
    }
    const shown = this.#segment === segment && segment.records.length > 0;
    here.hidden = !shown || segment.records.length <= SHOWN;
    if (shown) {
      const first = segment.records[this.#from];
      const last = segment.records[Math.min(segment.records.length, this.#from + SHOWN) - 1];
      here.style.left = `${canvas.clientWidth * (first?.offset ?? 0) / total}px`;
      here.style.width = `${canvas.clientWidth * ((last?.offset ?? 0) + (last?.bytes ?? 0) - (first?.offset ?? 0)) / total}px`;
    }
  }

  // The lane of records.

  #turn(step) {
    if (!this.#segment) return;
    const { segments } = this.#model;
    let at = this.#from + step * (SHOWN / 2);
    if (at < 0 && this.#from === 0) {
      const before = segments[segments.indexOf(this.#segment) - 1];
      if (before) { this.#segment = before; at = before.records.length - SHOWN; }
    } else if (at >= this.#segment.records.length - SHOWN / 2) {
      const after = segments[segments.indexOf(this.#segment) + 1];
      if (after && step > 0) { this.#segment = after; at = 0; } else at = this.#segment.records.length - SHOWN;
    }
    this.#from = Math.max(0, Math.floor(at));
    this.#follows = this.#segment.state === 'grows' && this.#from + SHOWN >= this.#segment.records.length;
    this.#lane([]);
  }

  #lane(news) {
    const fresh = new Set(news);
    const segment = this.#segment;
    const records = segment?.records.slice(this.#from, this.#from + SHOWN) ?? [];
    const now = Date.now();
    const focused = $('lane').contains(document.activeElement) ? document.activeElement.record : undefined;
    const blocks = records.map((record) => {
      const block = el('button', {
        type: 'button', role: 'option', class: `record ${classOf(record, now)}${fresh.has(record) && records.length < SHOWN * 2 ? ' lands' : ''}`,
        'aria-selected': String(record === this.#selected), tabindex: record === this.#selected ? 0 : -1,
        'aria-label': `${spoken(record, now)}, at byte ${record.offset}`,
      }, label(record));
      block.record = record;
      block.addEventListener('pointerenter', (event) => { if (event.pointerType === 'mouse') this.#inspect(record); });
      block.addEventListener('focus', () => this.#inspect(record));
      block.addEventListener('click', () => this.#inspect(record));
      return block;
    });
    $('lane').replaceChildren(...blocks);
    const current = blocks.find((block) => block.record === this.#selected) ?? blocks.at(-1);
    if (current) current.tabIndex = 0;
    if (focused) blocks.find((block) => block.record === focused)?.focus();
    const [first, last] = [records[0], records.at(-1)];
    $('lane-title').textContent = first
      ? `${this.#follows ? 'Newest records' : 'Records'} of segment ${segment.id}${segment.records.length > records.length ? `: ${count(this.#from + 1)} to ${count(this.#from + records.length)} of ${count(segment.records.length)}` : ''}`
      : 'No records yet';
    $('older').disabled = this.#from === 0 && segment === this.#model.segments[0];
    $('newer').disabled = this.#follows;
    if (this.#follows && last) $('lane').scrollTop = $('lane').scrollHeight;
    this.#paintAll();
  }

  #walk(event) {
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const blocks = [...$('lane').children];
    const at = blocks.indexOf(document.activeElement);
    blocks[Math.max(0, Math.min(blocks.length - 1, at + step))]?.focus();
  }

  // One record.

  async #inspect(record, quietly = false) {
    if (record === this.#selected && !quietly) return;
    this.#selected = record;
    for (const block of $('lane').children) block.setAttribute('aria-selected', String(block.record === record));
    $('inspector').record = record ? $('inspector').record : undefined;
    if (!record) return void $('inspector').replaceChildren(el('p', { class: 'empty' }, 'Point at a record to see its bytes.'));
    let raw;
    try { raw = await this.#model.bytesOf(record); } catch { return; }
    if (record !== this.#selected) return;
    showRecord($('inspector'), record, raw);
  }

  // Merge.

  async #merge() {
    const said = $('merge-said');
    said.textContent = 'Merging: copying what is live …';
    const watching = setInterval(() => this.#draw(), 120);
    try {
      const report = await this.#store.merge();
      said.textContent = report
        ? `Merged ${counted(report.inputs, 'file')} into ${report.outputs}: ${bytes(report.bytesBefore)} became ${bytes(report.bytesAfter)}, ${counted(report.recordsDropped, 'dead record')} dropped.`
        : 'There is nothing to merge: no sealed file has dead bytes.';
    } finally {
      clearInterval(watching);
      this.#draw();
    }
  }
}

/** A colour as a canvas takes it: a property may be one for light and one for dark. */
function resolved(style, name) {
  const value = style.getPropertyValue(name);
  const both = /light-dark\(([^,]+),([^)]+)\)/.exec(value);
  return both ? both[isDark() ? 2 : 1].trim() : value;
}
const isDark = () => {
  const { theme } = document.documentElement.dataset;
  return theme ? theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
};

export function classOf(record, now = Date.now()) {
  if (record.state !== 'intact' || record.kind === 'gap') return 'damaged';
  if (['marker', 'meta', 'meta delete', 'footer'].includes(record.kind)) return record.kind === 'meta' && !isLive(record, now) ? 'dead' : 'meta';
  if (record.kind === 'delete') return 'gone';
  return isLive(record, now) ? 'live' : 'dead';
}

/** What a block shows. */
export function label(record) {
  if (record.kind === 'put') return shown(record.key) || '(empty)';
  if (record.kind === 'delete') return `✕ ${shown(record.key)}`;
  return { marker: 'flushed', meta: 'sys', 'meta delete': '✕ sys', footer: 'footer', gap: 'damage' }[record.kind];
}

export function spoken(record, now = Date.now()) {
  switch (record.kind) {
    case 'put': return `put ${shown(record.key)}${isLive(record, now) ? '' : record.live ? ', expired' : ', overwritten'}`;
    case 'delete': return `delete ${shown(record.key)}`;
    case 'marker': return 'marker of what is flushed';
    case 'meta': case 'meta delete': return 'record of the system’s own';
    default: return record.kind;
  }
}

const shareOf = (live, all) => (all ? `${Math.round(100 * live / all)} %` : '–');

const ABOUT = {
  marker: 'says how much of the file the browser had flushed: a crash may not take what lies before',
  meta: 'is the store’s own: which requests of which tab were taken, so that none is taken twice',
  'meta delete': 'is the store’s own: a tab that is gone is forgotten',
  footer: 'ends a sealed segment and repeats its header, so that one bad sector does not take both',
  gap: 'cannot be read: no checksum is right here',
};

function sentence(record) {
  if (ABOUT[record.kind]) return [el('b', {}, record.kind), ` ${ABOUT[record.kind]}.`];
  const now = Date.now();
  const fate = record.kind === 'delete' ? 'deletes its key. The records before are dead.'
    : isLive(record, now) ? `is live: a get reads exactly these ${bytes(record.bytes)}${record.expires ? `, for ${duration(record.expires - now)} more` : ''}.`
      : record.live ? 'has expired: nobody is shown it any more.' : 'is dead: a newer record took its place. Merge drops it.';
  const batch = record.batch === 'first' ? ` It begins a batch of ${record.batchRecords}: all or none of them survive.` : record.batch === 'later' ? ' It belongs to a batch: all or none of it survives.' : '';
  return [el('b', {}, `${record.kind} ${shown(record.key)}`), ` ${fate}${batch}`];
}

/** Hexadecimal and meaning, side by side. */
export function showRecord(into, record, raw) {
  const says = el('p', { class: 'says' }, ...sentence(record));
  // Only what is said of a record changes, never its bytes.
  if (into.record === record) return void into.firstElementChild.replaceWith(says);
  into.record = record;
  const fields = record.kind === 'gap' || record.kind === 'footer' ? [] : fieldsOf(raw, record);
  const fieldAt = (at) => fields.findIndex(({ from, to }) => at >= from && at < to);
  const rows = [];
  for (let row = 0; row < raw.length && row < 24 * HEX_ROW; row += HEX_ROW) {
    const line = el('div', {}, el('span', { class: 'at' }, String(record.offset + row).padStart(7)));
    let text = '';
    for (let at = row; at < row + HEX_ROW; at += 1) {
      if (at >= raw.length) { line.append('   '); continue; }
      const field = fieldAt(at);
      const hex = raw[at].toString(16).padStart(2, '0');
      line.append(field < 0 ? hex : el('span', { 'data-field': field, 'data-tone': fields[field].tone }, hex), ' ');
      text += raw[at] >= 0x20 && raw[at] < 0x7f ? String.fromCharCode(raw[at]) : '·';
    }
    line.append(el('span', { class: 'text' }, text));
    rows.push(line);
  }
  if (record.bytes > raw.length) rows.push(el('div', {}, `        … ${count(record.bytes - raw.length)} bytes more`));
  const list = el('dl', { class: 'fields' });
  for (const [at, { name, says, tone }] of fields.entries()) {
    list.append(el('dt', { 'data-field': at }, name), el('dd', { 'data-field': at, 'data-tone': tone, title: says }, says));
  }
  const hex = el('div', { class: 'hex', tabindex: 0, role: 'region', 'aria-label': 'Bytes of the record' }, ...rows);
  into.replaceChildren(says, hex, list);
  const light = (field) => {
    for (const lit of into.querySelectorAll('.lit')) lit.classList.remove('lit');
    if (field !== undefined) for (const part of into.querySelectorAll(`[data-field="${field}"]`)) part.classList.add('lit');
  };
  into.onpointerover = (event) => light(event.target.closest('[data-field]')?.dataset.field);
  into.onpointerleave = () => light();
}
