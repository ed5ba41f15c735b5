// What users write, for the compiler alone.

import { Closed, LeaderUnresponsive, PortcaskError, destroy, open, type Change, type Json } from 'portcask';
import { Lab } from 'portcask/lab';
import { OpfsFiles, directoryAt } from 'portcask/opfs';
import { openSync } from 'portcask/sync';

interface Note { title: string; done: boolean }

export async function uses(): Promise<void> {
  const store = await open<Note>('notes', { durability: 'written', leaderTimeout: 1000, memory: 'fallback' });
  await store.set('a', { title: 'x', done: false }, { ttl: 1000, durability: 'queued' });
  const note: Note | undefined = await store.get('a');
  const text: string | undefined = await store.get<string>('b', { as: 'text' });
  await store.update('a', (old) => ({ title: old?.title ?? '', done: true }));
  const [first]: (Note | undefined)[] = await store.getMany(['a', new Uint8Array(2)]);
  for await (const [key, value] of store.scan({ prefix: 'a' })) { const name: string | Uint8Array = key; value.title satisfies string; void name; }
  await store.batch().require('a', { seq: 3 }).require('b', 'absent').set('b', { title: '', done: false }).del('a').commit();
  const stop = store.watch('a', (changes: Change[]) => { for (const change of changes) if (change.type === 'set') change.key satisfies string | Uint8Array; });
  stop();
  const stats = await store.stats();
  stats.segments[0]?.liveBytes satisfies number | undefined;
  const tar: Blob = await store.exportTo();
  await store.exportTo(new WritableStream<Uint8Array>());
  (await store.importFrom(tar)).keys satisfies number;
  const leads: boolean = store.leads;
  try { await store.close(); } catch (error) {
    if (error instanceof LeaderUnresponsive) await error.outcome;
    else if (error instanceof Closed || error instanceof PortcaskError) error.code satisfies string;
  }
  await destroy('notes');
  // @ts-expect-error A durability is one of three.
  await store.set('a', { title: '', done: true }, { durability: 'always' });
  // @ts-expect-error A note has a title.
  await store.set<Note>('a', { done: true });
  const plain = await open('json');
  (await plain.get('x')) satisfies Json | undefined;
  const here = await openSync<string>('here', { values: 'text' });
  here.set('a', 'b');
  (here.get('a') ?? '') satisfies string;
  await here.reserve(8);
  const lab = await Lab.load(tar);
  (await lab.cut('segment-0000000001', 99).open()).tornBytes satisfies number;
  const files = new OpfsFiles(await directoryAt('mine'));
  files.imports(() => new Uint8Array()).pread(0, 0, 0, 0) satisfies number;
  void [note, text, first, leads];
}
