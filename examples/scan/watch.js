import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { watch } from 'chokidar';

/**
 * Watches a tree and publishes `file_created`, `file_changed` and `file_deleted` on `files.watched`, and keeps a
 * scratch file to touch, so that there is a change even in a tree that is not being edited.
 *
 * `node_modules`, hidden directories and anything deeper than `WATCH_DEPTH` are left out, as watches are a limited
 * resource of the whole machine. Failures of watching are reported to `onTrouble`, and do not end the scan.
 */

const WATCH_DEPTH = 6;
const SEEN_WITHIN_MS = 5000;
/** A large tree takes long to walk, and the watcher never reports ready for a tree that it cannot walk to the end. */
const READY_WITHIN_MS = 20_000;
/** @type {Readonly<Record<string, string>>} */
const TYPES = { add: 'file_created', change: 'file_changed', unlink: 'file_deleted' };

/**
 * @param {import('millrace/client').BusApi} bus
 * @param {{ root: string, run: string, exclude: readonly string[], onTrouble: (error: unknown) => void }} options
 */
export async function watchTree(bus, { root, run, exclude, onTrouble }) {
  const scratch = await mkdtemp(join(tmpdir(), 'millrace-scratch-'));
  const scratchFile = join(scratch, 'touched.txt');
  await writeFile(scratchFile, 'before\n');
  const excluded = new Set(exclude);
  const watcher = watch([root, scratch], {
    ignoreInitial: true,
    followSymlinks: false,
    depth: WATCH_DEPTH,
    ignored: (path) => excluded.has(path) || isPassedOver(relative(root, path)),
  });
  /** @type {Set<Promise<unknown>>} */
  const publishing = new Set();
  /** @type {(() => void) | undefined} */
  let touched;
  /** @type {NodeJS.Timeout | undefined} */
  let timer;

  watcher.on('error', onTrouble);
  await new Promise((resolve) => {
    const late = setTimeout(() => {
      onTrouble(new Error(`not ready within ${READY_WITHIN_MS} ms; going on without the rest`));
      resolve(undefined);
    }, READY_WITHIN_MS);
    watcher.once('ready', () => {
      clearTimeout(late);
      resolve(undefined);
    });
  });
  // Only once the watcher is ready, as `ignoreInitial` leaves out the existing files, but not the existing symbolic
  // links.
  watcher.on('all', (event, path) => {
    const type = TYPES[event];
    if (type === undefined) return;
    const inScratch = path === scratchFile;
    const ack = bus
      .publish({
        topic: 'files.watched',
        type,
        source: 'file-watcher',
        correlationId: run,
        payload: {
          path: (inScratch ? path : relative(root, path)).toWellFormed(),
          scratch: inScratch,
        },
      })
      .catch(onTrouble)
      .finally(() => {
        publishing.delete(ack);
        if (inScratch) touched?.();
      });
    publishing.add(ack);
  });

  return {
    /** Changes the scratch file; resolves once the change has been published, or was not noticed in time. */
    async touch() {
      const seen = new Promise((resolve) => {
        touched = () => resolve(undefined);
        // A machine that is out of watches reports nothing, and the scan must not wait for it.
        timer = setTimeout(() => {
          onTrouble(new Error(`no change was seen within ${SEEN_WITHIN_MS} ms`));
          resolve(undefined);
        }, SEEN_WITHIN_MS);
      });
      await writeFile(scratchFile, `after ${Date.now()}\n`);
      await seen;
      clearTimeout(timer);
    },
    /** Ends the watch, once every change it has seen is published. */
    async close() {
      clearTimeout(timer);
      await watcher.close();
      await Promise.all(publishing);
      await rm(scratch, { recursive: true, force: true });
    },
  };
}

/** @param {string} path relative to the root; starts with `..` for the scratch directory */
function isPassedOver(path) {
  const segments = path.split(sep);
  if (segments[0] === '..') return false;
  return segments.some((segment) => segment === 'node_modules' || /^\../.test(segment));
}
