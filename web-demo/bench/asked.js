// A contender that lives in a worker, asked from the page: one message each way for each call, as one writes it by hand.

/** A worker of this folder that answers calls. */
export class Asked {
  #worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  #waiting = new Map();
  #next = 1;

  constructor() {
    this.#worker.onmessage = ({ data: { id, answer, failed } }) => {
      const { done, refused } = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (failed) refused(new Error(failed)); else done(answer);
    };
    this.#worker.onerror = (event) => {
      for (const { refused } of this.#waiting.values()) refused(new Error(event.message ?? 'the worker did not start'));
    };
  }

  ask(message) {
    const id = this.#next++;
    return new Promise((done, refused) => {
      this.#waiting.set(id, { done, refused });
      this.#worker.postMessage({ id, ...message });
    });
  }

  end() { this.#worker.terminate(); }
}

/** A module of this folder as a contender for the page's own thread. */
export function asked(module, title) {
  let worker;
  const ask = (call, ...args) => worker.ask({ module, call, args });
  return {
    title,
    async open(name, given) {
      worker ??= new Asked();
      await ask('open', name, given);
      return {
        putBatch: (entries) => ask('putBatch', entries),
        async putEach(entries) { for (const entry of entries) await ask('putEach', [entry]); },
        async getAll(keys) {
          let length = 0;
          for (const key of keys) length += await ask('getAll', [key]);
          return length;
        },
        close: () => ask('close'),
      };
    },
    async forget(name, given) {
      worker ??= new Asked();
      await ask('forget', name, given);
    },
    end: () => worker?.end(),
  };
}
