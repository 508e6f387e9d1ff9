import crypto from 'node:crypto';
import fs from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import os from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import threads from 'node:worker_threads';
import { replaceAtomics } from './atomics.js';
import { receive, VirtualChannel, VirtualPort } from './ports.js';
import { real } from './real.js';
import { wrapBinding } from './sqlite.js';
import { clearImmediate, clearTimer, setImmediate, setTimer } from './timers.js';
import { setBodies, VirtualWorker } from './workers.js';
import { world } from './world.js';

/**
 * Puts the virtual world between the product and Node, for this whole process, and loads the product. To be called once,
 * before anything of the product is imported. Outside a world, clocks and files are the real ones.
 */
export async function install(dist) {
  replaceThreads();
  replaceTimers();
  replaceClocks();
  replaceChance();
  replaceFiles();
  replaceAtomics();
  replaceBinding(dist);
  syncBuiltinESMExports();
  return load(dist);
}

/** All modules that the product imports later, so that no step waits for a file. */
async function load(dist) {
  const from = (file) => import(pathToFileURL(join(dist, file)).href);
  const { ShardLife } = await from('shards/shard-life.js');
  const { Reader } = await from('readers/reader.js');
  const { attachBus, openBus } = await from('index.js');
  const { Gateway } = await from('gateway/gateway.js');
  const { openWebSocketDoor } = await from('gateway/websocket/websocket-door.js');
  const { internalsOf } = await from('endpoint/internals.js');
  const { BusClient } = await from('client/bus-client.js');
  setBodies({ ShardLife, Reader, Gateway, openWebSocketDoor, attachBus, internalsOf });
  await from('store/sqlite/open-shard-log.js');
  await from('store/sqlite/reading/open-history.js');
  const { busHooks } = await from('main/test-hooks.js');
  const { decodeCursor } = await from('protocol/cursor.js');
  const { forgetAtExit } = await from('endpoint/idle-exit.js');
  const positionsOf = (cursor) => decodeCursor(cursor).positions;
  return { openBus, attachBus, BusClient, busHooks, positionsOf, forgetAtExit };
}

function replaceThreads() {
  /** @type {any} */
  const virtual = {
    Worker: VirtualWorker,
    MessagePort: VirtualPort,
    MessageChannel: VirtualChannel,
  };
  Object.assign(threads, virtual, { receiveMessageOnPort: receive });
}

function replaceTimers() {
  const pairs = {
    setTimeout: setTimer(false),
    setInterval: setTimer(true),
    clearTimeout: clearTimer,
    clearInterval: clearTimer,
    setImmediate,
    clearImmediate,
  };
  for (const [name, virtual] of Object.entries(pairs)) {
    /** @type {any} */
    const everywhere = globalThis;
    const before = everywhere[name];
    everywhere[name] = (...given) => (world() === undefined ? before : virtual)(...given);
  }
}

function replaceClocks() {
  const elapsed = () => world()?.now() ?? real.elapsed();
  Object.defineProperty(performance, 'now', { value: elapsed, configurable: true });
  const { bigint } = process.hrtime;
  /** @returns {[number, number]} */
  const hrtime = () => {
    const ms = elapsed();
    return [Math.floor(ms / 1000), Math.round((ms % 1000) * 1e6)];
  };
  process.hrtime = Object.assign(hrtime, { bigint });
  process.uptime = () => elapsed() / 1000;
  os.uptime = () => elapsed() / 1000;
  Date.now = () => world()?.wall() ?? real.dateNow();
  /** @type {any} */
  const VirtualDate = function (...given) {
    const values = given.length === 0 ? [Date.now()] : given;
    return Reflect.construct(
      real.Date,
      values,
      new.target === VirtualDate ? real.Date : new.target,
    );
  };
  VirtualDate.prototype = real.Date.prototype;
  Object.assign(VirtualDate, { now: Date.now, parse: real.Date.parse, UTC: real.Date.UTC });
  globalThis.Date = VirtualDate;
}

function replaceChance() {
  const { randomBytes, randomFillSync, randomUUID } = crypto;
  const random = Math.random;
  /** @type {any} */
  const given = crypto;
  const fill = (bytes) => {
    const { chance } = world().choices;
    for (let i = 0; i < bytes.length; i++) bytes[i] = chance.below(256);
    return bytes;
  };
  Math.random = () => world()?.choices.chance.next() ?? random();
  given.randomBytes = (size) => (world() ? fill(Buffer.alloc(size)) : randomBytes(size));
  given.randomFillSync = (bytes) => (world() ? fill(bytes) : randomFillSync(bytes));
  given.randomUUID = () => {
    if (world() === undefined) return randomUUID();
    const hex = fill(Buffer.alloc(16)).toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
  };
  const { getRandomValues } = globalThis.crypto;
  /** @type {any} */
  const web = globalThis.crypto;
  web.getRandomValues = (bytes) =>
    world() ? fill(bytes) : getRandomValues.call(globalThis.crypto, bytes);
}

/** Linux's id of the machine's boot, which each power cut ends. */
const BOOT_ID = '/proc/sys/kernel/random/boot_id';
/** Descriptors are closed with their thread; flushes are points at which the disk may fail. */
let closeReal = fs.closeSync;

export function closeDescriptor(descriptor) {
  closeReal(descriptor);
}

function replaceFiles() {
  const { openSync, closeSync, fsyncSync, fdatasyncSync, renameSync, readFileSync } = fs;
  /** @type {any} */
  const readFile = (file, options) => {
    if (file !== BOOT_ID || world() === undefined) return readFileSync(file, options);
    return `${String(world().boots).padStart(8, '0')}-0000-4000-8000-000000000000\n`;
  };
  fs.readFileSync = readFile;
  fs.renameSync = (from, to) => {
    renameSync(from, to);
    world()?.faults.disk?.renamed(from, to);
  };
  fs.openSync = (file, flags, mode) => {
    const descriptor = openSync(file, flags, mode);
    world()?.current.descriptors.add(descriptor);
    return descriptor;
  };
  fs.closeSync = (descriptor) => {
    world()?.current.descriptors.delete(descriptor);
    closeSync(descriptor);
  };
  for (const [name, flush] of Object.entries({ fsyncSync, fdatasyncSync })) {
    fs[name] = (descriptor) => {
      const here = world();
      if (here === undefined) return flush(descriptor);
      here.point('flush');
      const fault = here.faults.flushFault(here.current);
      if (fault !== undefined) throw fault;
      here.faults.flushed(descriptor);
    };
  }
  closeReal = closeSync;
}

function replaceBinding(dist) {
  const require = createRequire(join(dist, 'store/sqlite/driver/driver.js'));
  for (const name of ['better-sqlite3', 'better-sqlite3-13']) {
    try {
      const path = require.resolve(name);
      const Real = require(path);
      /** @type {any} */ (require.cache[path]).exports = wrapBinding(Real);
    } catch {
      // This Node takes the other one.
    }
  }
}
