// What was measured, as a table for a terminal, as goals met or missed, and as a page.

const OWN = 'portcask';
const PLACES = { worker: 'in the worker', page: 'from the main thread' };

/** What a workload is called and how often it does what; opens are told in milliseconds. */
function workloads({ amounts }) {
  const whole = (number) => number.toLocaleString('en');
  return [
    ['batch', `put, ${whole(amounts.batch)} in one batch`, amounts.batch],
    ['each', `put, ${whole(amounts.each)} each flushed`, amounts.each],
    ['get', `get, ${whole(amounts.gets)} random`, amounts.gets],
    ...amounts.opens.map((number) => [`open${number}`, `open with ${whole(number)} keys`, 0]),
  ];
}

const rounded = (number) => Number(number.toPrecision(3)).toLocaleString('en', { maximumFractionDigits: 2 });
const rate = (times, ms) => (times ? `${rounded(times / ms * 1000)}/s` : `${rounded(ms)} ms`);

/** Rows of one place: a contender, then for each workload its speed and how many times faster this store is. */
function rows(result, place) {
  const { [OWN]: own } = result.medians[place];
  return Object.entries(result.medians[place]).map(([name, took]) => [name, ...workloads(result).map(([what, , times]) => {
    const said = rate(times, took[what]);
    return name === OWN || !own ? said : `${said} (${rounded(took[what] / own[what])}x)`;
  })]);
}

export function table(result) {
  return Object.entries(PLACES).map(([place, words]) => {
    const all = [[words, ...workloads(result).map(([, about]) => about)], ...rows(result, place)];
    const widths = all[0].map((_, column) => Math.max(...all.map((row) => row[column].length)));
    return all.map((row) => row.map((cell, column) => (column ? cell.padStart(widths[column]) : cell.padEnd(widths[column]))).join('  ')).join('\n');
  }).join('\n\n');
}

/** `[words, measured, goal, met]` of what this store has to reach. */
function judged(result) {
  const { worker } = result.medians;
  const own = worker[OWN];
  const [sqlite, naive] = [worker['sqlite sahpool'], worker['naive log']];
  if (!own || !sqlite || !naive) return [];
  const ratio = (words, what, other, goal) => {
    const measured = other[what] / own[what];
    return [words, `${rounded(measured)}x`, `${goal}x`, measured >= goal];
  };
  const engine = own[`open${result.amounts.opens[0]}engine`];
  return [
    ratio('batch put beside SQLite sahpool', 'batch', sqlite, 9),
    ratio('batch put beside the naive log', 'batch', naive, 1),
    ratio('put and flush each beside SQLite sahpool', 'each', sqlite, 8),
    ratio('random get in the worker beside SQLite sahpool', 'get', sqlite, 5),
    ratio('random get in the worker beside the naive log', 'get', naive, 1),
    [`engine time of opening ${result.amounts.opens[0].toLocaleString('en')} keys`, `${rounded(engine)} ms`, '20 ms', engine <= 20],
  ];
}

export function goals(result) {
  return judged(result).map(([words, measured, goal, met]) => `${met ? 'met   ' : 'MISSED'}  ${words}: ${measured} (goal ${goal})`).join('\n');
}

/** What the browser's own write and flush leave to be gained. */
function floor({ medians: { worker: { 'sqlite sahpool': sqlite, 'naive log': naive } } }) {
  return sqlite && naive ? `, ${rounded(sqlite.each / naive.each)} times as fast as SQLite sahpool's here` : '';
}

const line = (cells) => `| ${cells.join(' | ')} |`;

/** The page `docs/BROWSER-PERFORMANCE.md`. */
export function pageOf(result) {
  const head = ['', ...workloads(result).map(([, about]) => about)];
  const tables = Object.entries(PLACES).map(([place, words]) => [
    `## ${words[0].toUpperCase()}${words.slice(1)}`, '',
    line([words, ...head.slice(1)]), line(['---', ...head.slice(1).map(() => '---:')]), ...rows(result, place).map(line),
  ].join('\n'));
  return `# How fast it is in a browser

Written by \`cargo xtask bench-web --record\`; no figure in its tables is typed by hand.

${result.browser}, headless, profile ${result.profile}; ${result.processors}; SQLite ${result.versions['@sqlite.org/sqlite-wasm']},
idb-keyval ${result.versions['idb-keyval']}. Values of 100 bytes, keys of 13. Medians of ${result.rounds.length} rounds, interleaved in one page after two
that are not counted. In brackets: how many times faster Portcask is; below 1 it is slower.

What to know before believing it:

* A flush into memory costs almost nothing. On a drive the number of flushes rules "each flushed": one for a commit here and in
  the naive log, three or more in SQLite's default mode. idb-keyval commits without waiting for one (relaxed durability).
* The naive log's put is one write and one flush and next to nothing else${floor(result)}: no
  log that flushes each put gets far above it.
* Portcask and SQLite both keep 2 MiB of the file in memory, into which 10,000 of these keys fit; the naive log asks the
  browser for each value. Portcask checks the checksum of every record that it answers, kept or not.
* The naive log is a file and a Map: no checksums, no merge, no batches that survive a crash whole. It is the floor of what a
  log in JavaScript costs, not a store.
* "Tuned" is SQLite with exclusive locking and a write-ahead log, which its pool of files allows to one connection.
* From the main thread the message to a worker is the cost. SQLite and the naive log are asked by the plainest worker one writes by hand: one
  message each way for each call. Portcask's own worker also shares the store with other tabs.
* Opening is until the first key can be read, in a worker whose code is loaded. From the main thread Portcask starts a new
  worker for it, which loads and compiles its code; the workers of the others are running already. The engine's own
  part for ${result.amounts.opens[0].toLocaleString('en')} keys:
  ${rounded(result.medians.worker[OWN][`open${result.amounts.opens[0]}engine`])} ms.
* Where a batch of 10,000 goes: two thirds of its time are the engine's, a tenth JavaScript's, the rest the browser's five writes.
  Of the engine's part a fifth are checksums, by tables of 4 KiB, and another fifth the first touch of memory that a new instance has
  not used yet. A batch finds its own earlier puts in a table of four bytes a slot, not in a hash map. Tried and left out: the
  engine compiled for speed (a third off the engine's part, for 24 kB more to load), copies by loops instead of \`memory.copy\`
  (slower from 20 bytes on), encoding each text by itself (ten times what all at once costs).

${tables.join('\n\n')}

## Goals

${[line(['goal', 'measured', 'wanted', '']), line(['---', '---:', '---:', '---']), ...judged(result).map(([words, measured, goal, met]) => line([words, measured, goal, met ? 'met' : '**missed**']))].join('\n')}
`;
}
