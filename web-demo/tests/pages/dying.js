// The worker, which asks its page to be ended in the middle of what is done to a store as a whole: `?at=` `begun` before
// the deed, `deed` when it is done and not noted, `done` when it is noted.

import { Note } from '/package/note.js';
import '/package/worker.js';

const at = new URL(location.href).searchParams.get('at');
const { begin, finish } = Note.prototype;

/** Nothing goes on from here. */
function die() {
  postMessage('end me');
  for (;;);
}

Note.prototype.begin = async function begun(...given) {
  await begin.apply(this, given);
  if (at === 'begun') die();
};
Note.prototype.finish = function finished() {
  if (at === 'deed') die();
  finish.call(this);
  if (at === 'done') die();
};
