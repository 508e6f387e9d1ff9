import { readdirSync, readlinkSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What a process holds: descriptors, threads, heap after a collection, memory; and whether all parts of its bus run. */
export async function censusOf(bus) {
  const { shards, gateways } = await bus.stats();
  const states = [...shards, ...gateways].map(({ state }) => state);
  return { ...heldByProcess(), isWhole: states.every(isRunning), states };
}

/** The same without a bus. */
export function heldByProcess() {
  collectGarbage();
  const { heapUsed: heap, external, arrayBuffers, rss } = process.memoryUsage();
  return {
    pid: process.pid,
    ...descriptors(),
    threads: readdirSync('/proc/self/task').length,
    heap,
    external,
    arrayBuffers,
    rss,
  };
}

/**
 * Apart from the rest: the files of modules. Node leaves one open for ever where a thread is ended while it reads it, which
 * no program can help that lets a thread be ended.
 */
function descriptors() {
  const names = readdirSync('/proc/self/fd').map(nameOfDescriptor);
  const ofModules = names.filter((name) => name.endsWith('.js')).length;
  return { descriptors: names.length - ofModules, moduleDescriptors: ofModules };
}

/** `''` of one that was closed meanwhile. */
function nameOfDescriptor(descriptor) {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return '';
  }
}

export function collectGarbage() {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}

function isRunning(state) {
  return state === 'running' || state === 'listening';
}
