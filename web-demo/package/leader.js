// The worker that holds the files, serving every tab: calls in order, one flush for all that wait, each commit once.

import { Closed, Failed, NotReady, Poisoned, PortcaskError, QuotaExceeded, fromData, toData } from './errors.js';
import { DELETE, DELETE_META, Ops, PUT, PUT_META, PUT_UNTIL, operations } from './codec.js';
import { channelOf, clientLock } from './names.js';
import { REGISTRY, Remembered, idsOf, joined, unhex } from './remembered.js';

/** Bytes merged between two looks at the queue. */
const MERGE_BYTES = 1 << 20;

export class Leader {
  #store; #name; #queue = []; #running = false; #unflushed = []; #changed = []; #clients = new Map(); #known = new Set(); #channels = new Map();
  #bus; #inbox; #watchers = new Set(); #turn = new MessageChannel(); #merging; #stopped; #outgoing = new Map();
  /** What is under way in whose middle this worker may be silent. */
  #long = 0;
  /** Grows with each word about that, so that clients know the last one. */
  #said = 0;
  /** Settles when this worker leads no longer: with an error if it had to stop. */
  ended = new Promise((ended) => { this.end = ended; });

  constructor(name, id, store) {
    this.#name = name;
    this.id = id;
    this.#store = store;
    this.#turn.port1.onmessage = () => this.#settle();
    this.#bus = new BroadcastChannel(channelOf(name));
    this.#inbox = new BroadcastChannel(channelOf(name, id));
    this.#inbox.onmessage = ({ data }) => this.hear(data, (answer) => this.#channel(data.from).postMessage(answer));
    this.#bus.onmessage = ({ data }) => { if (data.who) this.announce(); };
    this.#forgetTheDead(this.#registry());
    const { call } = store.note;
    if (call) this.#client(call.from).last = Math.max(call.id, this.#client(call.from).last);
    this.announce();
  }

  announce() { this.#tell(this.#sign()); }

  /** That this worker leads, and whether it may be silent next. */
  #sign() { return { leads: this.id, said: this.#said, busy: this.#long > 0 }; }

  #channel(client) {
    if (!this.#channels.has(client)) this.#channels.set(client, new BroadcastChannel(channelOf(this.#name, client)));
    return this.#channels.get(client);
  }

  /** A message of a client: `{from, floor, calls: [[id, verb, ...given]]}`. */
  hear({ from, floor, calls }, reply) {
    if (!this.#known.has(from)) {
      this.#known.add(from);
      this.#forgetTheDead([from]);
    }
    for (const [id, verb, ...given] of calls) {
      const answer = (fine, what) => {
        const waiting = this.#outgoing.get(reply) ?? [];
        waiting.push([id, fine, what]);
        this.#outgoing.set(reply, waiting);
      };
      this.#queue.push({ from, floor, id, verb, given, answer });
    }
    if (!this.#running) this.#run();
  }

  /** Sends what was answered, one message to each client. */
  #deliver() {
    for (const [reply, answers] of this.#outgoing) reply({ answers, ...this.#sign() });
    this.#outgoing.clear();
  }

  async #run() {
    this.#running = true;
    while (this.#queue.length && !this.#stopped) {
      const call = this.#queue.shift();
      try {
        if (LATE.has(call.verb)) await this.#store.complete();
        if (this.#store.reopening) await this.#store.reopening;
        let answer = this.#do(call);
        if (answer instanceof Promise) answer = await answer;
        if (answer !== LATER) call.answer(true, answer);
      } catch (error) {
        // Whoever leads next is asked again.
        if (this.#stopped) break;
        call.answer(false, toData(error));
        if (!(error instanceof PortcaskError) || error instanceof Poisoned) this.stop(error);
      }
    }
    this.#running = false;
    this.#deliver();
    // What other tabs have sent meanwhile is taken before the flush that all of them wait for.
    if (this.#unflushed.length || this.#changed.length) this.#turn.port2.postMessage(0);
  }

  /** One flush for all that wait for one. */
  #settle() {
    if (this.#running || this.#stopped) return;
    const { reopening } = this.#store;
    if (reopening) return void reopening.catch(() => {}).then(() => this.#settle());
    const waiting = this.#unflushed;
    this.#unflushed = [];
    try {
      if (waiting.length) this.#store.flush();
      for (const { answer } of waiting) answer(true);
    } catch (error) {
      for (const { answer } of waiting) answer(false, toData(error));
      this.stop(error);
    }
    this.#deliver();
    if (this.#changed.length) {
      if (this.#watchers.size) this.#tell({ changes: this.#changed });
      this.#changed = [];
    }
  }

  /** Does something long, with silences for which nobody is to take this worker for a frozen one. */
  async during(work) {
    this.#long += 1;
    this.busy();
    try {
      return await work();
    } finally {
      this.#long -= 1;
      this.busy();
    }
  }

  /** Tells all whether this worker is in the middle of something long. */
  busy() {
    this.#said += 1;
    this.announce();
  }

  /** Lets others be served in the middle of something long. */
  breathe = () => {
    this.busy();
    return new Promise((turn) => { setTimeout(turn); });
  };

  /** Answers a call when that is done, others before it. */
  behind(call, work) {
    const told = (fine, what) => {
      // Whoever leads next is asked again.
      if (this.#stopped) return;
      call.answer(fine, what);
      this.#deliver();
    };
    work.then((answer) => told(true, answer), (error) => {
      told(false, toData(error));
      if (!(error instanceof PortcaskError) || error instanceof Poisoned) this.stop(error);
    });
    return LATER;
  }

  /** To all tabs. The page of this worker hears it as any other. */
  #tell(message) { if (!this.#stopped) this.#bus.postMessage(message); }

  #do(call) {
    const verb = verbs[call.verb];
    if (!verb) throw new Failed(`there is no "${call.verb}"`);
    return this.#patiently(() => verb.call(this, this.#store, call, ...call.given));
  }

  /** Calls, again after opening files where they were not ready, and after freeing what can be freed for want of space. */
  #patiently(call) {
    try {
      return call();
    } catch (error) {
      if (error instanceof NotReady) return this.#store.whenReady(call);
      if (error instanceof QuotaExceeded) return this.#store.relieve().then(() => this.#store.whenReady(call));
      throw error;
    }
  }

  // Commits.

  #client(id) {
    if (!this.#clients.has(id)) {
      const client = Remembered.read(this.#store.engine.getMeta(unhex(id)));
      this.#clients.set(id, client);
    }
    return this.#clients.get(id);
  }

  commit(call, bytes, level) {
    const client = this.#client(call.from);
    for (const id of client.refused.keys()) if (id < call.floor) client.refused.delete(id);
    if (call.id > client.last) {
      try {
        this.#take(client, call, bytes);
      } catch (error) {
        if (error instanceof PortcaskError && !(error instanceof NotReady)) client.refused.set(call.id, toData(error));
        throw error;
      }
    } else if (client.refused.has(call.id)) {
      throw fromData(client.refused.get(call.id));
    }
    if (level !== 'flushed') return undefined;
    this.#unflushed.push(call);
    return LATER;
  }

  #take(client, call, bytes) {
    const { note } = this.#store;
    const extra = new Ops();
    extra.add(PUT_META, unhex(call.from), client.record(call.id));
    const told = [call.from];
    if (note.call && note.call.from !== call.from) {
      extra.add(PUT_META, unhex(note.call.from), this.#client(note.call.from).record());
      told.push(note.call.from);
    }
    if (!client.recorded || note.call) extra.add(PUT_META, REGISTRY, joined(new Set([...this.#registry(), ...told])));
    this.#store.commit(bytes, false, extra.bytes());
    extra.free();
    client.last = call.id;
    client.recorded = true;
    client.refused.delete(call.id);
    if (note.call) note.remove();
    if (this.#watchers.size) {
      for (const [kind, key] of operations(bytes)) {
        if (kind === PUT || kind === PUT_UNTIL) this.#changed.push(['set', key.slice()]);
        else if (kind === DELETE) this.#changed.push(['del', key.slice()]);
      }
    }
  }

  #registry() { return idsOf(this.#store.engine.getMeta(REGISTRY)); }

  /** A client holds a lock while it lives, so whoever is given that lock knows that it is dead. */
  #forgetTheDead(ids) {
    for (const id of ids) {
      const { signal } = this.#farewell;
      navigator.locks.request(clientLock(this.#name, id), { signal }, () => this.#forget(id)).catch(() => {});
    }
  }

  #farewell = new AbortController();

  #forget(id) {
    if (this.#stopped) return;
    this.#watchers.delete(id);
    this.#known.delete(id);
    this.#channels.get(id)?.close();
    this.#channels.delete(id);
    this.#queue.push({ verb: 'forget', given: [id], answer() {} });
    if (!this.#running) this.#run();
  }

  forget(id) {
    this.#clients.delete(id);
    const left = new Set(this.#registry());
    if (!left.delete(id)) return;
    const ops = new Ops();
    ops.add(DELETE_META, unhex(id));
    ops.add(PUT_META, REGISTRY, joined(left));
    this.#store.commit(ops.bytes(), false);
  }

  // The rest.

  watch(id, on) {
    if (on) this.#watchers.add(id);
    else this.#watchers.delete(id);
  }

  whole(call, deed) { return this.during(() => this.#replace(call, deed)); }

  /**
   * Does what takes away or replaces everything, and with it what the system key space knew: a note outlives it. Whoever
   * leads next finishes what was begun.
   */
  async #replace(call, deed) {
    const { note } = this.#store;
    // An earlier one is told by the store first.
    if (note.call) this.#tellAll();
    await note.begin({ verb: call.verb, from: call.from, id: call.id }).catch((error) => {
      // Where there is no room for a note, a clear is what makes some.
      if (!(error instanceof QuotaExceeded && call.verb === 'clear')) throw error;
    });
    let answer;
    try {
      answer = await this.#patiently(deed);
    } catch (error) {
      await note.remove();
      throw error;
    }
    note.finish();
    this.#changed.push(['clear']);
    this.#clients.get(call.from).last = call.id;
    for (const client of this.#clients.values()) client.recorded = false;
    return answer;
  }

  /** Writes down what is known of each client. */
  #tellAll() {
    const ops = new Ops();
    for (const [id, client] of this.#clients) {
      ops.add(PUT_META, unhex(id), client.record());
      client.recorded = true;
    }
    ops.add(PUT_META, REGISTRY, joined(new Set([...this.#registry(), ...this.#clients.keys()])));
    this.#store.commit(ops.bytes(), true);
  }

  async clear(call, store) {
    await this.whole(call, () => store.clear());
    this.#tellAll();
    await store.note.remove();
  }

  /** Whether a call that is sent again was done already. Knows all clients from then on. */
  isDone(call) {
    for (const id of [...this.#registry(), call.from]) this.#client(id);
    return call.id <= this.#clients.get(call.from).last;
  }

  /** Merges everything in steps between which other calls are answered; joins a merge that is at work. */
  merge(call) {
    this.#merging ??= this.#mergeAll().finally(() => { this.#merging = undefined; });
    return this.behind(call, this.#merging);
  }

  async #mergeAll() {
    try {
      if (!(await this.#store.whenReady(() => this.#store.mergeAll()))) return undefined;
      for (;;) {
        const step = await this.#store.whenReady(() => this.#store.mergeStep(MERGE_BYTES));
        if (step !== false) return step;
        await new Promise((turn) => { setTimeout(turn); });
        if (this.#stopped) throw new Closed('the store was closed during the merge');
      }
    } catch (error) {
      if (!(error instanceof QuotaExceeded)) throw error;
      return this.#mergeInNeed(error);
    }
  }

  /**
   * Where there is no room for a copy of everything: what needs the least room first, then with what that has freed,
   * as long as it frees something. A round that is refused may have freed much before.
   */
  async #mergeInNeed(full) {
    const sum = { inputs: 0, outputs: 0, recordsKept: 0, recordsDropped: 0 };
    const bytesBefore = this.#store.stats().totalBytes;
    let bytesAfter = bytesBefore;
    for (let last = Infinity; bytesAfter < last;) {
      last = bytesAfter;
      await this.#store.relieve();
      try {
        const report = await this.#store.whenReady(() => this.#store.mergeInNeed());
        for (const name of Object.keys(sum)) sum[name] += report[name];
      } catch (error) {
        if (!(error instanceof QuotaExceeded)) throw error;
      }
      bytesAfter = this.#store.stats().totalBytes;
    }
    await this.#store.relieve();
    if (bytesAfter >= bytesBefore) throw full;
    return { ...sum, bytesBefore, bytesAfter };
  }

  /** Gives the lead up: cleanly without an error, else as after a crash. What is unanswered is asked again of the next one. */
  async stop(error) {
    if (this.#stopped) return;
    if (!error) this.#settle();
    this.#deliver();
    this.#stopped = true;
    this.#farewell.abort();
    this.#bus.close();
    this.#inbox.close();
    for (const channel of this.#channels.values()) channel.close();
    this.#turn.port1.close();
    try {
      if (error) this.#store.abandon();
      else await this.#store.close();
    } catch (failed) {
      error ??= failed;
    }
    this.end(error);
  }
}

/** Not answered yet. */
const LATER = Symbol('later');

/** What needs all of the engine, which is loaded after opening. */
const LATE = new Set(['stats', 'confirmClock', 'clear', 'merge', 'import']);

/** What a client may ask for. `this` is the leader. */
const verbs = {
  hello: (store) => ({ backend: store.backend }),
  get: (store, _, key, as) => store.engine.get(key, as),
  getMany: (store, _, keys, as) => keys.map((key) => store.engine.get(key, as)),
  has: (store, _, key) => store.engine.entry(key) !== undefined,
  entry: (store, _, key) => store.engine.entry(key),
  scan: (store, _, cursor, limit, prefix, values) => store.engine.scan(cursor, limit, prefix, values),
  stats: (store) => store.stats(),
  report: (store) => store.report,
  verify(store, call) { return this.behind(call, this.during(() => store.verify(this.breathe))); },
  flush: (store) => store.flush(),
  confirmClock: (store) => store.engine.confirmClock(),
  commit(store, call, bytes, level) { return this.commit(call, bytes, level); },
  clear(store, call) {
    return this.isDone(call) ? undefined : this.clear(call, store);
  },
  merge(store, call) { return this.merge(call); },
  watch(store, call, on) { this.watch(call.from, on); },
  forget(store, call, id) { this.forget(id); },
  ping: () => undefined,
  export(store, call) { return this.behind(call, this.during(() => store.exportFiles(this.breathe))); },
  /** The files stay as they came, byte by byte, until somebody writes: the note tells of it until then. */
  import(store, call, files) { return this.isDone(call) ? store.report : this.whole(call, () => store.importFiles(files, this.breathe)); },
};
