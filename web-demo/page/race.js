// A short measurement in the visitor's own browser.

import { Asked } from '../bench/asked.js';
import { $, count, el, onClick } from './dom.js';

const AMOUNTS = { batch: 5000, each: 300, gets: 5000 };
const WORKLOADS = [
  ['batch', `puts, ${count(AMOUNTS.batch)} in one batch`], ['each', `puts, each flushed`], ['get', 'random gets'],
];
const ROUNDS = 3;
const CONTENDERS = [['Portcask', './portcask.js'], ['IndexedDB', './indexeddb.js'], ['a naive log', './naive-log.js']];
const SQLITE = ['SQLite', './sqlite.js'];

export class Race {
  constructor() {
    onClick('race-run', () => this.#run().catch((error) => { $('race-about').textContent = `That did not work: ${error.message}`; }));
    this.#show(this.#contenders().map(([title]) => title), new Map());
  }

  /** SQLite is compared with only where the server says that it was installed. */
  #contenders() { return [...CONTENDERS, ...(new URL(location.href).searchParams.has('sqlite') ? [SQLITE] : [])]; }

  async #run() {
    const contenders = this.#contenders();
    const given = { vendor: new URL('./vendor', location.href).href };
    const rates = new Map();
    for (let round = 1; round <= ROUNDS; round += 1) {
      for (const [title, module] of contenders) {
        $('race-about').textContent = `Measuring ${title}, round ${round} of ${ROUNDS} …`;
        const worker = new Asked();
        try {
          const took = await worker.ask({ module, given, amounts: AMOUNTS });
          for (const [workload] of WORKLOADS) {
            const rate = (workload === 'get' ? AMOUNTS.gets : AMOUNTS[workload]) / took[workload] * 1000;
            const place = `${workload} ${title}`;
            rates.set(place, [...rates.get(place) ?? [], rate]);
          }
        } finally { worker.end(); }
        this.#show(contenders.map(([name]) => name), rates);
      }
    }
    $('race-about').textContent = `Operations a second, medians of ${ROUNDS} rounds in a worker of this browser, values of 100 bytes. IndexedDB with strict durability; the naive log checks nothing and survives little.`;
  }

  #show(titles, rates) {
    const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
    $('race-bars').replaceChildren(...WORKLOADS.map(([workload, about]) => {
      const rows = titles.map((title) => [title, median(rates.get(`${workload} ${title}`) ?? [])]);
      const most = Math.max(1, ...rows.map(([, rate = 0]) => rate));
      return el('div', { class: 'race' }, el('h3', {}, about), ...rows.map(([title, rate]) => el('div', { class: `row ${rate ? '' : 'waits'} ${title === 'Portcask' ? 'own' : ''}` },
        el('span', {}, title), el('span', { class: 'track' }, rate ? el('i', { '--part': rate / most }) : ''), el('span', {}, rate ? `${count(Number(rate.toPrecision(3)))}/s` : '–'))));
    }));
  }
}
