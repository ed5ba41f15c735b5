// Directories of the native command in, a tar out.

import { destroy, open } from '../package/index.js';
import { $, bytes, counted, el, onClick, wordsOf } from './dom.js';
import { storeNames } from './model.js';

/** Stores of the page's own, not to be shown. */
const HIDDEN = /^(crash-lab|race)$/;

export class Files {
  #page;

  constructor(page) {
    this.#page = page;
    $('pick-folder').addEventListener('change', ({ target }) => this.#picked(target, nameOfFolder(target.files)));
    $('pick-tar').addEventListener('change', ({ target }) => this.#picked(target, target.files[0]?.name));
    onClick('export', () => this.#export());
    this.#takeDrops();
  }

  /** Another store is shown: the list of stores marks it. */
  async shown() {
    const names = (await storeNames()).filter((name) => !HIDDEN.test(name));
    $('stores').replaceChildren(...names.map((name) => el('li', {}, name === this.#page.name
      ? el('span', { 'aria-current': 'true' }, name)
      : el('a', { href: addressOf(name) }, name))));
  }

  #picked(input, name) {
    const files = [...input.files];
    input.value = '';
    if (files.length) this.import(files, name);
  }

  #takeDrops() {
    const veil = $('drop-veil');
    const withFiles = (event) => event.dataTransfer?.types.includes('Files');
    addEventListener('dragenter', (event) => { if (withFiles(event)) veil.classList.add('shown'); });
    addEventListener('dragover', (event) => { if (withFiles(event)) event.preventDefault(); });
    addEventListener('dragleave', (event) => { if (!event.relatedTarget) veil.classList.remove('shown'); });
    addEventListener('drop', async (event) => {
      veil.classList.remove('shown');
      if (!withFiles(event)) return;
      event.preventDefault();
      // Entries must be asked for before anything is awaited.
      const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
      const loose = [...event.dataTransfer.files];
      const folder = entries.find(({ isDirectory }) => isDirectory);
      if (folder) this.import(await filesIn(folder), folder.name);
      else this.import(loose, loose.length === 1 ? loose[0].name : 'dropped');
    });
  }

  /** Makes a new store of files, or of the one tar that they are, and shows it. */
  async import(files, called) {
    const said = $('files-said');
    const name = await freeName(called);
    const before = this.#page.name;
    let told;
    said.textContent = `Importing ${counted(files.length, 'file')} …`;
    try {
      const store = await open(name, { values: 'text', merge: false });
      try {
        const report = await store.importFrom(files.length === 1 && !/^(segment|manifest|hint)-/.test(files[0].name) ? files[0] : files);
        told = `Imported as “${name}”: ${report.summary}.`;
      } catch (error) {
        await store.close();
        await destroy(name).catch(() => {});
        throw error;
      }
      await store.close();
      await this.#page.show(name);
      said.textContent = told;
    } catch (error) {
      said.textContent = `That could not be imported. ${wordsOf(error)}`;
      if (!this.#page.store) await this.#page.show(before);
    }
  }

  async #export() {
    const tar = await this.#page.store.exportTo();
    const link = el('a', { href: URL.createObjectURL(tar), download: `${this.#page.name}.tar` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    $('files-said').textContent = `Exported ${bytes(tar.size)}. The commands above open it natively.`;
  }
}

/** This page with another store. */
export function addressOf(name) {
  const address = new URL(location.href);
  address.searchParams.set('store', name);
  return address.href;
}

const nameOfFolder = (files) => files[0]?.webkitRelativePath.split('/')[0];

/** A name that a store may have, and none has. */
async function freeName(called = 'imported') {
  const base = called.replace(/\.tar$/, '').replace(/[^\w-]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 40) || 'imported';
  const taken = new Set(await storeNames());
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? base : `${base}-${number}`;
    if (!taken.has(name)) return name;
  }
}

/** The files directly in a dropped folder. */
async function filesIn(folder) {
  const lister = folder.createReader();
  const files = [];
  for (;;) {
    // A lister answers at most a hundred at once.
    const some = await new Promise((done, failed) => { lister.readEntries(done, failed); });
    if (!some.length) return files;
    for (const entry of some) {
      if (entry.isFile) files.push(await new Promise((done, failed) => { entry.file(done, failed); }));
    }
  }
}
