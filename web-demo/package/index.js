// A store on the page.

import { DELETE, Ops, PUT, PUT_UNTIL, keyBytes, keyOf, valueBytes, valueOf } from './codec.js';
import { Closed, fromData } from './errors.js';

export * from './errors.js';

export async function open(name, options = {}) {
  const worker = options.worker?.() ?? new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  const store = new Store(worker, options);
  await store.start(name);
  return store;
}

class Store {
  #worker; #options; #pending = new Map(); #next = 0; #queue = []; #opened; #group;

  constructor(worker, options) {
    this.#worker = worker;
    this.#options = { values: 'json', keys: 'text', ...options };
    worker.addEventListener('message', ({ data }) => this.#heard(data));
  }

  start(name) {
    return new Promise((done, refused) => {
      this.#opened = { done, refused };
      const { worker, ...options } = this.#options;
      this.#worker.postMessage({ start: { name, options } });
    });
  }

  #heard(data) {
    if (data.opened) this.#opened.done();
    if (data.failed) this.#opened.refused(fromData(data.failed));
    for (const [id, fine, answer] of data.answers ?? []) {
      const waiting = this.#pending.get(id);
      this.#pending.delete(id);
      if (fine) waiting.done(answer); else waiting.refused(fromData(answer));
    }
  }

  #call(verb, ...given) {
    this.#group = undefined;
    return this.#send(verb, given);
  }

  #send(verb, given) {
    return new Promise((done, refused) => {
      const id = this.#next++;
      this.#pending.set(id, { done, refused });
      this.#queue.push([id, verb, ...given]);
      if (this.#queue.length === 1) queueMicrotask(() => {
        const calls = this.#queue;
        this.#queue = [];
        this.#group = undefined;
        for (const call of calls) if (call[2] instanceof Ops) call[2] = call[2].bytes();
        this.#worker.postMessage({ calls });
      });
    });
  }

  #write(add) {
    if (!this.#group) {
      const ops = new Ops();
      this.#group = { ops, done: this.#send('commit', [ops, true]) };
    }
    add(this.#group.ops);
    return this.#group.done.then(() => undefined);
  }

  get(key, { as = this.#options.values } = {}) { return this.#call('get', keyBytes(key)).then((value) => valueOf(value, as)); }
  set(key, value, how) { return this.setMany([[key, value]], how); }
  del(key) { return this.delMany([key]); }
  async setMany(entries, { ttl = 0, expires, as = this.#options.values } = {}) {
    const [kind, number] = expires === undefined ? [PUT, ttl] : [PUT_UNTIL, Number(expires)];
    const ready = Array.from(entries, ([key, value]) => [keyBytes(key), valueBytes(value, as)]);
    return this.#write((ops) => { for (const [key, value] of ready) ops.add(kind, key, value, number); });
  }
  async delMany(keys) {
    const ready = Array.from(keys, keyBytes);
    return this.#write((ops) => { for (const key of ready) ops.add(DELETE, key); });
  }
  stats() { return this.#call('stats'); }
  verify() { return this.#call('verify'); }
  async close() {
    await this.#call('close');
    this.#worker.terminate();
  }
}
