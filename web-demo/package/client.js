// A tab's side of a store: who leads, what was sent and not answered, and what to do when the leader is silent.

import { Closed, LeaderUnresponsive, LockedByOtherTab, Unsupported, fromData } from './errors.js';
import { Ops } from './codec.js';
import { channelOf, clientLock, newId, workerLock } from './names.js';

/** How much longer a leader may be silent that said that it is opening the store, or reading all of it. */
const BUSY_MS = 30_000;

/** An error that a worker sent, in words. Without them, where they cannot be loaded. */
async function explained(data) {
  const error = fromData(data);
  return data.told ? import('./words.js').then(({ worded }) => worded(error), () => error) : error;
}

export class Client {
  #name; #options; #worker; #workerId; #bus; #inbox; #leader; #heard = Date.now(); #said = 0; #timer;
  #calls = new Map(); #next = 1; #outbox = []; #connected; #closing; #closed = false; #watching = false; #ready = false; #released; #failures = 0;
  /** To a leader in another tab. */
  #line = {};
  id = newId();
  /** Called with the changes of all tabs. @type {(changes: unknown[]) => void} */
  onChanges = () => {};

  constructor(name, options) {
    for (const needed of ['Worker', 'BroadcastChannel']) {
      if (!globalThis[needed]) throw new Unsupported(`there is no ${needed} here: open the store on a page of a browser`);
    }
    if (!globalThis.navigator?.locks) throw new Unsupported('there are no Web Locks here: serve the page over https or from localhost');
    this.#name = name;
    this.#options = options;
    this.timeout = options.leaderTimeout ?? 5000;
  }

  /** Whether this tab's worker has the files. */
  get leads() { return this.#leader === this.#workerId; }

  /** Starts the worker and finds out who leads. */
  async connect() {
    // Held while this client lives: the leader forgets it when it is given this lock.
    await new Promise((held) => {
      navigator.locks.request(clientLock(this.#name, this.id), () => {
        held();
        return new Promise((released) => { this.#released = released; });
      });
    });
    this.#bus = new BroadcastChannel(channelOf(this.#name));
    this.#bus.onmessage = ({ data }) => {
      this.#heed(data);
      if (data.alone) this.#connected?.refused(new LockedByOtherTab(data.alone));
      if (data.changes && this.#watching) this.onChanges(data.changes);
    };
    this.#inbox = new BroadcastChannel(channelOf(this.#name, this.id));
    this.#inbox.onmessage = ({ data }) => this.#heed(data);
    globalThis.addEventListener?.('pagehide', this.#hide);
    globalThis.addEventListener?.('pageshow', this.#show);
    const connected = new Promise((done, refused) => { this.#connected = { done, refused }; });
    this.#startWorker();
    this.#bus.postMessage({ who: this.id });
    // Whatever happens first settles it: somebody leads, this tab's worker fails to, or it waits and nobody says anything.
    this.#heard = Date.now();
    const alarm = setInterval(() => {
      if (this.#leader || !this.#ready || Date.now() - this.#heard < this.timeout) return;
      this.#connected?.refused(new LeaderUnresponsive(`the tab that holds the files has been silent for ${this.timeout} ms: it may be frozen`));
    }, this.timeout / 8);
    try {
      return await connected;
    } catch (error) {
      this.#release();
      throw error;
    } finally {
      clearInterval(alarm);
    }
  }

  #startWorker() {
    const { worker, leaderTimeout, ...options } = this.#options;
    if (options.wasmUrl) options.wasmUrl = String(options.wasmUrl);
    const started = worker?.() ?? new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'portcask' });
    const id = newId();
    this.#worker = started;
    this.#workerId = id;
    this.#ready = false;
    // A worker may also end before it could take the lock by which its end is known.
    const alarm = setTimeout(() => this.#neverCame(started), 2 * this.timeout);
    started.onmessage = ({ data }) => {
      if (data.ready) {
        clearTimeout(alarm);
        this.#heard = Math.max(this.#heard, Date.now());
        this.#ready = true;
        this.#whenGone(started, id);
      }
      if (data.failed) explained(data.failed).then((error) => this.#failed(started, error));
      this.#heed(data);
    };
    started.onerror = (event) => {
      clearTimeout(alarm);
      event.preventDefault?.();
      this.#failed(started, new Unsupported(`the worker cannot be started: ${event.message ?? 'its script was not found'}`));
    };
    started.postMessage({ start: { name: this.#name, id, options } });
  }

  /** A worker that ends without having been asked to is started again. */
  #whenGone(worker, id) {
    navigator.locks.request(workerLock(this.#name, id), () => this.#again(worker));
  }

  #again(worker) {
    if (this.#closed || this.#worker !== worker) return;
    worker.terminate();
    this.#startWorker();
    this.#bus.postMessage({ who: this.id });
  }

  #neverCame(worker) {
    if (this.#failures++ < 2) this.#again(worker);
    else this.#failed(worker, new Unsupported('the worker does not start'));
  }

  /** This tab's worker could not lead. Another one may; this one tries again after a while. */
  #failed(worker, error) {
    if (this.#worker !== worker || this.#closed) return;
    worker.terminate();
    this.#worker = undefined;
    if (this.leads) this.#leader = undefined;
    this.#connected?.refused(error);
    // Once may be an accident, and whoever leads next answers what is asked again. Twice is the state of things.
    if (!this.#leader && this.#failures) for (const id of [...this.#calls.keys()]) this.#answer(id, false, error);
    if (this.#closed || this.#connected) return;
    const pause = Math.min(250 * (2 ** this.#failures++ - 1), 5000);
    setTimeout(() => { if (!this.#closed && !this.#worker) this.#startWorker(); }, pause);
  }

  /** Somebody leads. All that was not answered is sent again, in order. */
  #follow(leader) {
    if (leader === this.#leader || this.#closed) return;
    this.#said = 0;
    const first = this.#leader === undefined && this.#connected;
    this.#leader = leader;
    // Those of this very tick are still growing, and are sent at its end.
    const again = [...this.#calls].filter(([id]) => !this.#outbox.includes(id)).map(([id, { what }]) => [id, ...what]);
    if (this.#watching) {
      again.push([this.#next++, 'watch', true]);
      if (!first) this.onChanges([['reset']]);
    }
    if (again.length) this.#post(again);
    if (first) {
      const { done, refused } = this.#connected;
      this.call('hello').then(done, refused).finally(() => { this.#connected = undefined; });
    }
  }

  #post(calls) {
    const [floor = this.#next] = this.#calls.keys();
    const message = { from: this.id, floor, calls };
    if (this.leads) this.#worker.postMessage(message);
    else {
      if (this.#line.leader !== this.#leader) {
        this.#line.channel?.close();
        this.#line = { leader: this.#leader, channel: new BroadcastChannel(channelOf(this.#name, this.#leader)) };
      }
      this.#line.channel.postMessage(message);
    }
    this.#watch();
  }

  /** What any channel brings of a leader: who it is, that it lives, and what it answers. */
  #heed(data) {
    if (data.leads && !data.answers) this.#follow(data.leads);
    if (data.leads || data.busy) this.#lives(data);
    if (data.answers) this.#hear(data);
  }

  /**
   * A leader in the middle of something long may be silent for a while, whatever it answers in between. What it told
   * before it said so, and what it told before that was over, may come later by another channel: both change nothing.
   */
  #lives({ leads, said, busy }) {
    if (leads && leads !== this.#leader) return;
    const late = said < this.#said;
    const until = Date.now() + (busy && !late ? BUSY_MS : 0);
    this.#heard = busy || late ? Math.max(this.#heard, until) : until;
    this.#said = Math.max(this.#said, said ?? 0);
  }

  #hear({ answers, leads }) {
    if (leads && leads !== this.#leader) return;
    this.#failures = 0;
    for (const [id, fine, what] of answers) {
      if (fine) this.#answer(id, true, what);
      else explained(what).then((error) => this.#answer(id, false, error));
    }
  }

  #answer(id, fine, what) {
    const call = this.#calls.get(id);
    if (!call) return;
    this.#calls.delete(id);
    if (fine) call.done(what); else call.refused(what);
  }

  /** Asks the leader; the message leaves at the end of the tick with all others of it. */
  call(verb, ...given) {
    if (this.#closing) return Promise.reject(new Closed('this store was closed: open it again'));
    const id = this.#next++;
    const call = { what: [verb, ...given], sent: Date.now() };
    call.settled = new Promise((done, refused) => { Object.assign(call, { done, refused }); });
    this.#calls.set(id, call);
    if (this.#outbox.push(id) === 1) queueMicrotask(() => this.#flush());
    return call.settled;
  }

  #flush() {
    const ids = this.#outbox;
    this.#outbox = [];
    // A batch has grown until now; from here on it is these bytes, however often they are sent. A copy, for with a part of
    // a buffer all of the buffer would be sent.
    for (const id of ids) {
      const { what } = this.#calls.get(id);
      const [, ops] = what;
      if (ops instanceof Ops) {
        what[1] = ops.bytes().slice();
        ops.free();
      }
    }
    if (!this.#leader || !ids.length) return this.#watch();
    return this.#post(ids.map((id) => [id, ...this.#calls.get(id).what]));
  }

  /** Looks after silent leaders while something is unanswered. */
  #watch() {
    const period = this.timeout / 8;
    const due = Date.now() + period;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (this.#closed || !this.#calls.size) return;
      const now = Date.now();
      // This tab slept, or the whole machine did: the leader has not had its chance yet.
      if (now > due + 2 * period) this.#heard = Math.max(this.#heard, now);
      const silent = now - this.#heard;
      if (silent > this.timeout / 4) {
        if (this.#leader) this.#post([[0, 'ping']]);
        this.#bus.postMessage({ who: this.id });
      }
      for (const [, call] of this.#calls) {
        if (!call.late && Math.min(silent, now - call.sent) > this.timeout) this.#late(call);
      }
      this.#watch();
    }, period);
  }

  /** The caller is told; what comes of the call is told by `outcome`, for it may still be taken. */
  #late(call) {
    call.late = true;
    const { refused } = call;
    const outcome = new Promise((done, failed) => { Object.assign(call, { done, refused: failed }); });
    outcome.catch(() => {});
    refused(new LeaderUnresponsive(
      `the tab that holds the files has been silent for ${this.timeout} ms: it may be frozen; this call may still be taken, as error.outcome tells`,
      { outcome },
    ));
  }

  watch(on) {
    this.#watching = on;
    return this.call('watch', on);
  }

  #hide = () => {
    // A page that may come back must not keep the files from others.
    this.#worker?.postMessage({ end: true });
    if (this.leads) this.#leader = undefined;
    this.#worker = undefined;
  };

  #show = ({ persisted }) => {
    if (!persisted || this.#closed) return;
    this.#startWorker();
    this.#bus.postMessage({ who: this.id });
  };

  /** Lets go when all that was asked is answered: the lead goes to another tab, if there is one. */
  async close() {
    if (this.#closing) return this.#closing;
    this.#closing = this.#close();
    return this.#closing;
  }

  async #close() {
    for (;;) {
      const open = [...this.#calls.values()].filter(({ late }) => !late);
      if (!open.length) break;
      await Promise.allSettled(open.map(({ settled }) => settled));
    }
    this.#closed = true;
    // What a silent leader makes of the late ones, nobody will hear here.
    for (const id of [...this.#calls.keys()]) this.#answer(id, false, new Closed('the store was closed'));
    const worker = this.#worker;
    if (worker) {
      await new Promise((ended) => {
        worker.onmessage = ({ data }) => { if (data.ended) ended(); };
        worker.onerror = ended;
        navigator.locks.request(workerLock(this.#name, this.#workerId), ended);
        worker.postMessage({ end: true });
      });
    }
    this.#release();
  }

  #release() {
    this.#closed = true;
    this.#closing ??= Promise.resolve();
    clearTimeout(this.#timer);
    globalThis.removeEventListener?.('pagehide', this.#hide);
    globalThis.removeEventListener?.('pageshow', this.#show);
    this.#worker?.terminate();
    this.#bus?.close();
    this.#inbox?.close();
    this.#line.channel?.close();
    this.#released?.();
  }
}
