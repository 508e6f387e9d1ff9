import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { attachBus } from 'millrace';
import { connectTo } from './hub.js';
import { inspectFile } from './inspect.js';

/**
 * A worker thread of the demo: attaches to the bus, or connects to the server, asks for groups of files until there are
 * none left, and publishes its findings straight to the shards, not through the main thread.
 *
 * A finding's id is a hash of its kind and place. So a worker that takes over a half-done group may publish a finding a
 * second time, and the bus stores it once.
 */

/** @typedef {import('./tree.js').Group} Group */
/**
 * @typedef {object} ScanTask
 * @property {unknown} [attachment] of the bus in this process
 * @property {string} [server] the address of the server, where there is no bus in this process
 * @property {string} run the correlation id of every event of this run
 * @property {string} root
 * @property {number} number this worker's, in topics
 * @property {number} share which share of the files it works on
 * @property {number} filesBefore how many of them others have done
 * @property {number} files how many are left
 * @property {number} [filesPerSecond] the most files that this worker scans in a second
 * @property {number} [replaces] the number of the worker whose share this one takes over
 * @property {number} [crashAt] throw in the first file with findings from this one on
 */

const PROGRESS_EVERY_FILES = 50;

const task = /** @type {ScanTask} */ (workerData);
const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);
const bus = task.server === undefined ? attachBus(task.attachment) : connectTo(task.server);
const source = `scanner-${task.number}`;
const total = { files: 0, bytes: 0, findings: 0, repeats: 0, unreadable: 0, binary: 0 };
const started = performance.now();
let stopping = false;

/** @type {((groups: Group[]) => void) | undefined} */
let deliver;
port.on('message', (/** @type {{ groups?: Group[], stop?: true }} */ message) => {
  if (message.stop) stopping = true;
  deliver?.(message.groups ?? []);
});

const spawned = await publish('lifecycle', 'worker_spawned', {
  files: task.files,
  ...(task.replaces !== undefined && { replaces: task.replaces }),
});
for (let groups = await nextGroups(); groups.length > 0; groups = await nextGroups()) {
  for (const group of groups) {
    await scanGroup(group);
    if (stopping) break;
    port.postMessage({ finished: group.paths.length });
  }
}
await publishProgress();
await publish(
  'lifecycle',
  stopping ? 'worker_cancelled' : 'worker_complete',
  { ...total },
  { causationId: spawned.id },
);
await bus.close();
port.postMessage({ done: true, repeats: total.repeats });
port.close();

/** @returns {Promise<Group[]>} empty when there is no more */
function nextGroups() {
  if (stopping) return Promise.resolve([]);
  port.postMessage({ next: true });
  return new Promise((resolve) => {
    deliver = resolve;
  });
}

/** @param {Group} group */
async function scanGroup(group) {
  const comparing = group.paths.length > 1 && group.size > 0;
  /** @type {Map<string, string>} */
  const firstWith = new Map();
  for (const path of group.paths) {
    if (stopping) return;
    await scanFile(path, comparing ? firstWith : undefined);
    total.files += 1;
    await keepPace();
    if (total.files % PROGRESS_EVERY_FILES === 0) await publishProgress();
  }
}

/** Waits until as much time has passed as the files so far may take. */
async function keepPace() {
  if (task.filesPerSecond === undefined) return;
  const aheadMs = started + (total.files / task.filesPerSecond) * 1000 - performance.now();
  if (aheadMs > 0) await sleep(aheadMs);
}

/**
 * @param {string} path
 * @param {Map<string, string>} [firstWith] hash → the first file that has it
 */
async function scanFile(path, firstWith) {
  /** @type {import('./inspect.js').Inspection} */
  let inspection;
  try {
    inspection = inspectFile(join(task.root, path), firstWith !== undefined);
  } catch {
    total.unreadable += 1;
    return;
  }
  const { findings, hash } = inspection;
  total.bytes += inspection.bytes;
  if (inspection.binary) total.binary += 1;
  const original = hash === undefined ? undefined : firstWith?.get(hash);
  if (original !== undefined) findings.push({ kind: 'duplicate', line: 0, text: original });
  else if (hash !== undefined) firstWith?.set(hash, path);
  await publishFindings(path, findings);
}

/**
 * @param {string} path
 * @param {import('./inspect.js').Finding[]} findings
 */
async function publishFindings(path, findings) {
  if (findings.length === 0) return;
  const inputs = findings.map(({ kind, line, text }, index) => ({
    topic: `findings.${kind}`,
    type: 'finding_new',
    source,
    correlationId: task.run,
    causationId: spawned.id,
    attributes: { worker: String(task.number) },
    id: findingId(kind, path, line, index),
    payload: { path: path.toWellFormed(), line, text },
  }));
  const acks = bus.publishMany(inputs);
  // The crash of the demo: these findings have been sent, and nothing will wait for their acks.
  if (task.crashAt !== undefined && total.files >= task.crashAt) {
    throw new Error(`worker ${task.number} was made to crash in ${path}`);
  }
  for (const ack of await acks) {
    if (ack.duplicate) total.repeats += 1;
    else total.findings += 1;
  }
}

/**
 * @param {string} kind
 * @param {string} path
 * @param {number} line
 * @param {number} index tells findings on one line apart
 */
function findingId(kind, path, line, index) {
  const place = JSON.stringify([task.run, kind, path, line, index]);
  return createHash('sha256').update(place).digest('base64url');
}

function publishProgress() {
  const { share, filesBefore } = task;
  const done = filesBefore + total.files;
  return publish('progress', 'worker_progress', { ...total, share, done });
}

/**
 * @param {'lifecycle' | 'progress'} aspect
 * @param {string} type
 * @param {unknown} payload
 * @param {{ causationId?: string }} [extra]
 */
function publish(aspect, type, payload, extra) {
  const topic = `worker.${task.number}.${aspect}`;
  return bus.publish({ topic, type, source, correlationId: task.run, payload, ...extra });
}
