// The crash lab: a log that is cut, or has a bit turned, anywhere; and workers that are killed while they write.

import { Ops, DELETE, PUT, keyBytes } from '../package/codec.js';
import { Engine } from '../package/engine.js';
import { Lab } from '../package/lab.js';
import { MemoryDirectory } from '../package/memory.js';
import { OpfsFiles } from '../package/opfs.js';
import { reader } from '../package/records.js';
import { $, bytes, coalesced, count, counted, el, onClick, shown } from './dom.js';
import { label } from './log.js';
import { filesOf } from './model.js';

/** Records of a store's own log that the lab shows. */
const OWN_SHOWN = 36;
const HEADER_BYTES = 80;

/** What the small log is made of: writes, each with whether its writer waited for the flush. */
const SAMPLE = [
  [[['cat', 'meow']], true],
  [[['dog', 'woof']], true],
  [[['cart', '3 apples'], ['total', '2.40']], true],
  [[['dog']], true],
  [[['cat', 'purr']], true],
  [[['cart', '4 apples'], ['total', '3.20'], ['paid', 'no']], false],
  [[['owl', 'hoot']], false],
  [[['paid', 'yes']], false],
];

export class CrashLab {
  #page; #logs = {}; #which = 'sample'; #how = 'cut'; #run = coalesced(() => this.#try(), 0);

  constructor(page) {
    this.#page = page;
    $('crash-at').addEventListener('input', () => this.#run());
    const choose = (ids, set) => {
      for (const id of ids) {
        $(id).addEventListener('click', () => {
          for (const other of ids) $(other).setAttribute('aria-pressed', String(other === id));
          set(id.slice('crash-'.length));
          this.#show();
        });
      }
    };
    choose(['crash-sample', 'crash-own'], (which) => { this.#which = which; this.#logs.own = undefined; });
    choose(['crash-cut', 'crash-flip'], (how) => { this.#how = how; });
    onClick('kill', () => kill(1));
    onClick('kill-ten', () => kill(10));
    this.#show();
  }

  /** Another store is shown: a copy of the one before is of no use. */
  ownChanged() {
    this.#logs.own = undefined;
    if (this.#which === 'own') this.#show();
  }

  async #log() {
    this.#logs[this.#which] ??= this.#which === 'sample' ? sampleLog() : ownLog(this.#page.name);
    return this.#logs[this.#which];
  }

  async #show() {
    const log = await this.#log();
    const slider = $('crash-at');
    slider.disabled = !log;
    if (!log) {
      $('crash-map').replaceChildren();
      $('crash-verdict').textContent = 'Your log is empty: put a key first.';
      for (const id of ['crash-why', 'crash-keys', 'crash-report']) $(id).replaceChildren();
      return;
    }
    const cuts = this.#how === 'cut';
    $('crash-about').textContent = cuts
      ? 'Move the slider: the log ends there, as after a crash in the middle of a write. At every stop a copy is opened, here in the page, by the same engine. The amber line is what had been flushed.'
      : 'Move the slider: one bit of that byte turns around, as when a drive rots. At every stop a copy is opened, here in the page, by the same engine.';
    slider.setAttribute('aria-label', cuts ? 'Byte at which the log ends' : 'Byte of which a bit is turned');
    slider.min = log.from;
    slider.max = cuts ? log.end : log.end - 1;
    slider.value = cuts ? Math.round(log.end - (log.end - log.from) * 0.17) : Math.round((log.from + log.end) / 2);
    this.#run();
  }

  async #try() {
    const log = await this.#log();
    if (!log) return;
    const at = Number($('crash-at').value);
    const copy = log.lab.copy();
    if (this.#how === 'cut') copy.cut(log.name, at);
    else copy.flip(log.name, at * 8 + 3);
    let [report, refusal] = [];
    try { report = await copy.open(); } catch (error) { refusal = error; }
    const outcome = report ? log.keys.map((key) => [key, answerOf(copy, key)]) : [];
    const end = this.#how === 'cut' ? at - (report?.tornBytes ?? 0) : log.end;
    const told = this.#how === 'cut' ? cutTold(log, at, end, report, refusal) : flipTold(log, at, outcome, report, refusal);
    $('crash-verdict').replaceChildren(...told.verdict);
    $('crash-why').replaceChildren(...told.why.map((text) => el('p', {}, text)));
    $('crash-report').textContent = `report: ${refusal ? `${refusal.code}: ${refusal.message}` : report.summary}`;
    $('crash-at').setAttribute('aria-valuetext', `byte ${at} of ${log.end}`);
    drawMap(log, this.#how, at, end);
    $('crash-keys').replaceChildren(...outcome.map(([key, answer]) => outcomeItem(log, key, answer)));
  }
}

/** What a reader is told about a key: a value, nothing, or an error. */
function answerOf(lab, key) {
  try { return { value: lab.get(key) }; } catch (error) { return { error }; }
}

function outcomeItem(log, key, { value, error }) {
  const before = log.values.get(key);
  const name = shown(key);
  if (error) return el('li', { class: 'wrong', title: error.message }, `${name}: ${error.code}, not a wrong value`);
  if (value === before) return value === undefined ? el('li', { class: 'missing', title: 'deleted, as before' }, name) : el('li', {}, `${name} = ${short(value)}`);
  if (value === undefined) return el('li', { class: 'missing', title: 'not there' }, `${name} = ${short(before)}`);
  return el('li', { class: 'older', title: 'an older version' }, `${name} = ${short(value)}`);
}
const short = (value) => { const text = shown(value); return text.length > 28 ? `${text.slice(0, 28)}…` : text; };

const isUser = ({ kind }) => kind === 'put' || kind === 'delete';
const within = (log, at) => log.records.find(({ offset, bytes }) => at >= offset && at < offset + bytes);
const titled = (record) => (isUser(record) ? `${record.kind} ${shown(record.key)}` : label(record));

function part(record, at) {
  const into = at - record.offset;
  if (into < record.headBytes) return 'head';
  return into < record.headBytes + record.keyBytes ? 'key' : 'value';
}

function cutTold(log, at, end, report, refusal) {
  const writes = log.records.filter(isUser);
  const kept = writes.filter(({ offset, bytes }) => offset + bytes <= end).length;
  const all = log.hidden + writes.length;
  const verdict = [el('span', { class: kept === writes.length ? 'good' : '' }, `${count(log.hidden + kept)} of ${counted(all, 'write')} survive`), ', in order, none half'];
  if (refusal) return { verdict: [el('span', { class: 'bad' }, 'The store refuses to open')], why: [] };
  const why = [];
  const torn = within(log, at);
  if (at === log.end) why.push('Nothing is cut: every record is whole.');
  else if (end === at && (!torn || torn.offset === at)) why.push(`Byte ${at} lies between two records, so nothing is torn: the log just ends earlier.`);
  else if (torn) {
    const inside = torn.offset === at ? `Byte ${at} comes right before “${titled(torn)}”.` : `Byte ${at} lies in the ${part(torn, at)} of “${titled(torn)}”: a checksum covers the whole record, so a part of it is no record.`;
    why.push(inside);
    if (torn.batch === 'later' || (torn.batch === 'first' && torn.offset < at)) {
      why.push(torn.batch === 'later' && end < torn.offset
        ? 'It belongs to a batch. The members before it are whole, and are dropped with it: all or none.'
        : 'It begins a batch: all of it or none.');
    }
  }
  const gone = log.records.filter(({ offset, bytes }) => offset + bytes > end);
  if (report.damages.length) why.push('Other files know that these bytes were there and flushed: the store says that they are damaged, serves the rest, and takes no writes that would hide it.');
  else if (gone.length && end < log.flushedTo) why.push('A crash does not do this: what lies under the amber line was flushed before its writer was told. Only a drive that lies, or somebody with a file manager, leaves a log like that.');
  else if (gone.length) why.push('Nothing that is lost had been flushed: whoever asked for “flushed” was still waiting for the answer.');
  return { verdict, why };
}

function flipTold(log, at, outcome, report, refusal) {
  if (refusal) return { verdict: [el('span', { class: 'bad' }, 'The store refuses to open')], why: ['It says which bytes are in the way; salvage reads the rest.'] };
  const hit = within(log, at);
  const wrong = outcome.filter(([, { error }]) => error).length;
  const changed = outcome.filter(([key, { value, error }]) => !error && value !== log.values.get(key)).length;
  const right = outcome.length - wrong - changed;
  const verdict = wrong + changed === 0
    ? [el('span', { class: 'good' }, 'Every key is right'), ', with a bit turned']
    : [el('span', { class: 'good' }, `${counted(right, 'key')} right`), wrong ? `, ${wrong} answered with an error` : '', changed ? `, ${changed} cut off with the end of the log` : '', '; no wrong value'];
  const why = [hit ? `The bit lies in the ${part(hit, at)} of “${titled(hit)}”.` : 'The bit lies in no record.'];
  if (hit && part(hit, at) === 'head' && wrong + changed === 0) why.push('Of all single bits of a head, only one makes its checksum right again: so it is known what was there, and it is read like that.');
  else if (hit && wrong + changed === 0) why.push('A newer record holds its key, so nobody needs this one. Verify still tells it, and merge drops it.');
  else if (wrong) why.push('The checksum is wrong, the key is certain: a get answers Corrupt, naming the file and the byte. Never “not there”, never a wrong value.');
  if (changed && report.tornBytes) why.push('Nothing says that these bytes had been flushed: here, damage looks like a write that the crash cut short, and what follows it goes too.');
  return { verdict, why };
}

function drawMap(log, how, at, end) {
  const span = log.end - log.from;
  const percent = (offset) => `${Math.max(0, Math.min(100, 100 * (offset - log.from) / span))}%`;
  const blocks = log.records.map((record) => {
    const { offset, bytes: size } = record;
    const kind = how === 'flip' ? (at >= offset && at < offset + size ? 'torn' : '')
      : offset + size <= end ? '' : offset < at ? 'torn' : 'lost';
    const look = kind || (record.kind === 'delete' ? 'gone' : isUser(record) ? '' : 'meta');
    const block = el('div', { class: `block ${look}`, title: `${titled(record)}, bytes ${offset} to ${offset + size}` }, label(record));
    block.style.left = percent(offset);
    block.style.width = `${100 * size / span}%`;
    return block;
  });
  const flushed = el('div', { class: 'flushed', title: `flushed up to byte ${log.flushedTo}` });
  flushed.style.width = percent(log.flushedTo);
  const edge = el('div', { class: 'edge' });
  edge.style.left = percent(how === 'flip' ? at + 0.5 : at);
  $('crash-map').replaceChildren(...blocks, flushed, edge);
}

/** A log of its own: made by the engine, in memory. */
async function sampleLog() {
  const directory = new MemoryDirectory();
  const files = new OpfsFiles(directory);
  const engine = await Engine.load(new URL('../package/portcask-full.wasm', import.meta.url), files);
  const seat = async () => { for (const name of engine.wanted()) engine.seat(await files.openOne(name), name); };
  await seat();
  engine.create({ segmentBytes: 1 << 20, keyBytesMax: 65535, valueBytesMax: 1 << 20, ttl: 0, reserveBytes: 0, create: true });
  await seat();
  const name = 'segment-0000000001';
  let flushedTo = HEADER_BYTES;
  for (const [writes, flushed] of SAMPLE) {
    const ops = new Ops();
    for (const [key, value] of writes) {
      if (value === undefined) ops.add(DELETE, keyBytes(key)); else ops.add(PUT, keyBytes(key), keyBytes(value));
    }
    engine.commit(ops.bytes(), flushed);
    if (flushed) flushedTo = directory.files.get(name).size;
  }
  const all = [...directory.files].map(([name, { bytes, size }]) => [name, bytes.slice(0, size)]).filter(([, { length }]) => length);
  return looked(all, name, flushedTo, Infinity);
}

/** A copy of what the store's files are now. */
async function ownLog(store) {
  const files = await filesOf(store);
  const segments = files.filter(([name, { length }]) => name.startsWith('segment-') && length > HEADER_BYTES).sort();
  if (!segments.length) return undefined;
  return looked(files, segments.at(-1)[0], undefined, OWN_SHOWN);
}

async function looked(files, name, flushedTo, most) {
  const lab = await Lab.load(new Map(files));
  const file = lab.bytes(name);
  const every = (await reader()).records(file.subarray(0, HEADER_BYTES), file.subarray(HEADER_BYTES)).filter(({ kind }) => kind !== 'gap');
  const records = every.slice(-most);
  if (!records.some(isUser)) return undefined;
  await lab.open();
  const keys = [...new Map(records.filter(isUser).map(({ key }) => [shown(key), key])).values()];
  const last = records.at(-1);
  return {
    lab, name, records, keys,
    from: records[0].offset, end: last.offset + last.bytes,
    /** Writes before those that are shown. */
    hidden: every.slice(0, every.length - records.length).filter(isUser).length,
    flushedTo: flushedTo ?? Math.max(...every.map(({ durable = 0 }) => durable)),
    values: new Map(keys.map((key) => [key, answerOf(lab, key).value])),
  };
}

// Killing workers.

const worker = () => new Worker(new URL('./crash-worker.js', import.meta.url), { type: 'module' });
const answer = (from, name) => new Promise((done, failed) => {
  from.addEventListener('message', ({ data }) => { if (name in data) done(data[name]); if (data.failed) failed(new Error(data.failed)); });
  from.addEventListener('error', (event) => failed(new Error(event.message)));
});

async function kill(times) {
  const sums = { kills: 0, told: 0, found: 0, lost: 0, half: 0, torn: 0 };
  for (let time = 0; time < times; time += 1) {
    const writer = worker();
    let told = 0;
    writer.addEventListener('message', ({ data }) => { if (data.took) told = data.took; });
    const begun = answer(writer, 'took');
    writer.postMessage({ write: true });
    const first = await begun;
    await new Promise((done) => { setTimeout(done, 40 + Math.random() * 120); });
    writer.terminate();
    const looker = worker();
    const seen = answer(looker, 'seen');
    looker.postMessage({ look: true });
    const { values, report } = await seen;
    looker.terminate();
    const found = Math.max(...values);
    sums.kills += 1;
    sums.told += told - first + 1;
    sums.found += found - first + 1;
    sums.lost += Math.max(0, told - Math.min(...values));
    sums.half += values.every((value) => value === found) ? 0 : 1;
    sums.torn += report.tornBytes;
    showKills(sums);
  }
}

function showKills({ kills, told, found, lost, half, torn }) {
  const item = (name, text, mood = '') => el('div', { class: mood }, el('dt', {}, name), el('dd', {}, text));
  $('kill-said').hidden = false;
  $('kill-said').replaceChildren(
    item('workers killed', count(kills)), item('batches told', count(told)), item('batches found', count(found)),
    item('told and lost', count(lost), lost ? 'bad' : 'good'), item('half batches', count(half), half ? 'bad' : 'good'), item('torn tails cut', bytes(torn)));
}
