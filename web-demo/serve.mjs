// Serves the demo on this machine: node web-demo/serve.mjs [PORT] [VENDOR], the latter a folder of npm packages to
// compare with.

import { fileURLToPath } from 'node:url';
import { serve } from './tests/serve.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** What the page is made of. */
export const mounts = (vendor) => ({ '/data/': here('../data/'), ...(vendor ? { '/vendor/': vendor } : {}), '/': here('./') });

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [port = '0', vendor] = process.argv.slice(2);
  const { url } = await serve(mounts(vendor), Number(port));
  // The page compares with what is there.
  console.log(vendor ? `${url}/?sqlite` : url);
}
