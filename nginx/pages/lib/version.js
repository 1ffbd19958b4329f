/**
 * The check for a newer version of the pages or the service. Importing it is enough.
 * @module
 */
import { traffic } from './api.js';
import { toast } from './page.js';

// A tab can outlive an upgrade of the pages, of the service, or of one of them first. Each of these two files has
// another tag then.
const versioned = ['/lib/page.js', '/api/openapi.yaml'];
/** @type {Promise<string> | undefined} */
let version;
let checked = 0;

async function readVersion() {
  const answers = await Promise.all(versioned.map((path) => fetch(path, { method: 'HEAD' })));
  return answers.map(({ headers }) => headers.get('ETag')).join();
}

async function checkVersion() {
  if (Date.now() - checked < 60_000) return;
  checked = Date.now();
  try {
    const first = await (version ??= readVersion());
    if ((await readVersion()) === first) return;
    checked = Infinity;
    toast('Tomi has a new version. Reload the page to use it.', { label: 'Reload', act: () => location.reload() });
  } catch {
    version = undefined;
  }
}
version = readVersion();
version.catch(() => (version = undefined));
traffic.addEventListener('outdated', checkVersion);
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') checkVersion();
});
