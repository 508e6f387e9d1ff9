import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { digestOf, digestOfEvent } from './events.js';

/**
 * Replays a whole log as text: over HTTP, from a server that opens the directory with the build that is given, which
 * has no planted fault. So payloads are compared as they are stored, to the last digit.
 */
const EVERYTHING = '/v1/events?topic=*&limit=1000000000';

/** @returns `{ epoch, heads, events, close }`: `events` is to be read to its end, then `close` */
export async function openReplay(dir, dist) {
  const { openBus } = await import(pathToFileURL(join(dist, 'index.js')).href);
  return replayOf(await openBus({ dir, systemEvents: false, onError: () => {} }));
}

/** As `openReplay`, of a bus that is open. */
export async function replayOf(bus) {
  const { shards } = await bus.stats();
  const gateway = await bus.serve({
    port: 0,
    host: '127.0.0.1',
    dashboard: false,
  });
  return {
    epoch: bus.epoch,
    heads: shards.map(({ head }) => head),
    events: eventsOf(gateway.url),
    close: () => bus.close(),
  };
}

/** The problem of a log that cannot be opened or read: whatever was acknowledged is not to be had. */
export function unreadable({ code, message }) {
  return `C1: the log cannot be replayed: ${code} ${message}`;
}

async function* eventsOf(url) {
  const headers = { accept: 'application/x-ndjson' };
  const { body, status } = await fetch(url + EVERYTHING, { headers });
  if (status !== 200 || body === null) throw new Error(`the replay was answered with ${status}`);
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') yield replayed(line);
  }
}

const PAYLOAD = ',"payload":';

function replayed(line) {
  const event = JSON.parse(line);
  const { shard, sequence, id, topic } = event;
  const text = line.slice(line.indexOf(PAYLOAD) + PAYLOAD.length, -1);
  const dead = deadOf(event, text);
  return [shard, sequence, id, topic, digestOf(event, text), ...(dead === undefined ? [] : [dead])];
}

/** The event that died, by what its letter says of it. */
function deadOf(event, text) {
  const { type, attributes = /** @type {Record<string, string>} */ ({}) } = event;
  const { deadId: id, deadTopic: topic, deadShard, deadSequence, deadAttempts } = attributes;
  if (id === undefined) return undefined;
  const own = Object.fromEntries(
    Object.entries(attributes).filter(([name]) => !name.startsWith('dead')),
  );
  return {
    id,
    topic,
    type,
    shard: Number(deadShard),
    sequence: Number(deadSequence),
    attempts: Number(deadAttempts),
    cause: attributes.deadCause,
    digest: digestOf({ topic, type, attributes: own }, text),
    parsed: digestOfEvent(event),
  };
}

/** What `millrace verify` finds wrong with the directory, a text or none. */
export function verify(dir, dist) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(dist, 'cli/millrace.js'), 'verify', dir],
    { encoding: 'utf8' },
  );
  return status === 0 ? [] : [`verify: ${(stdout + stderr).trim().slice(0, 500)}`];
}
