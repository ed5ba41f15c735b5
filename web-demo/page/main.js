// The page: opens a store and hands it to the parts.

import { open } from '../package/index.js';
import { CrashLab } from './crash.js';
import { $, bytes, coalesced, count, wordsOf } from './dom.js';
import { Files, addressOf } from './files.js';
import { LogView } from './log.js';
import { Names } from './names.js';
import { Race } from './race.js';
import { KeyTable } from './table.js';

/** Small segments, so that there is something to see; merged by hand, so that it can be watched. */
const OPTIONS = { values: 'text', segmentBytes: 1 << 20, merge: false };

const page = {
  /** The open store and its name. */
  store: undefined,
  name: new URL(location.href).searchParams.get('store') ?? 'demo',
};
const [log, table, names, files, lab] = [new LogView(), new KeyTable(), new Names(), new Files(page), new CrashLab(page)];
new Race();

const facts = coalesced(async () => {
  if (!page.store) return;
  showRole();
  const { totalBytes, keys } = await page.store.stats();
  $('fact-bytes').textContent = bytes(totalBytes);
  $('fact-live').textContent = log.share;
  $('fact-keys').textContent = count(keys);
}, 200);

log.onRead = facts;
table.onPoint = (key) => log.reveal(key);
table.onKeys = () => { $('fact-keys').textContent = count(table.keys.size); };
names.onChoose = async (key) => {
  await log.reveal(key);
  $('log').scrollIntoView({ block: 'nearest' });
};

function showRole() {
  const role = $('fact-role');
  const leads = page.store.leads;
  role.className = `role ${leads ? 'leads' : 'follows'}`;
  role.textContent = leads ? 'leads' : 'follows';
  role.title = leads
    ? 'This tab’s worker has the files. Close the tab and another one takes over.'
    : 'Another tab’s worker has the files; this one asks it. Close that tab and this one takes over.';
}

/** Opens a store and shows it; the one before is closed. */
page.show = async (name) => {
  const before = page.store;
  page.store = undefined;
  await before?.close();
  page.name = name;
  const store = await open(name, OPTIONS);
  page.store = store;
  const address = addressOf(name);
  history.replaceState(null, '', address);
  $('second-tab').href = address;
  $('fact-store').textContent = name;
  $('where').textContent = `portcask/${name}`;
  $('tar-name').textContent = `${name}.tar`;
  store.watch('', () => log.changed());
  log.show(store, name);
  await table.show(store);
  await names.show(store, table.keys);
  files.shown();
  lab.ownChanged();
  facts();
};

$('theme').addEventListener('click', () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = dark ? 'light' : 'dark';
  localStorage.setItem('portcask-theme', root.dataset.theme);
});
setInterval(() => { if (page.store) showRole(); }, 400);

try {
  await page.show(page.name);
  document.documentElement.dataset.ready = 'yes';
} catch (error) {
  $('trouble').textContent = `The store cannot be opened. ${wordsOf(error)}`;
  $('trouble').hidden = false;
}
