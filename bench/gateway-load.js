import { once } from 'node:events';
import { WebSocket } from 'ws';
import { CheckFailed, check, Latencies } from './harness.js';

/**
 * The load generator of `bench/gateway-fanout.js`, in its own process: plain WebSocket clients that subscribe to the
 * same topics and check every event that they get.
 *
 * Every sequence has to come, once and in order. A frame with the same bytes as one that another client got needs no
 * second check: comparing the memory is enough, so 100 clients cost little more than one. Any other frame is read
 * through.
 */

/** @typedef {{ url: string, clients: number, events: number, names: number, filter: string }} LoadTask */

const SEQUENCE = Buffer.from('"sequence":');
const AT = Buffer.from('"at":');
const CURSOR = Buffer.from('],"cursor":"');
const EVENTS = Buffer.from('{"type":"events"');
/** How many frames are remembered. If clients are more frames apart than this, frames are read again. */
const KNOWN_MAX = 64;
const DIGIT_0 = 48;

/** The content of a frame. `at` is when its last event was meant to be published, ms. */
/** @typedef {{ bytes: Buffer, first: number, last: number, count: number, at: number }} FrameContent */

const latencies = new Latencies();
/** @type {FrameContent[]} */
const known = [];
let knownNext = 0;
let framesRead = 0;
let framesTotal = 0;
let framesBytes = 0;

class Client {
  /** @type {number | undefined} */
  next;
  count = 0;
  closeCode = 0;
  maxMs = 0;

  /** @param {LoadTask} task @param {number} index */
  constructor(task, index) {
    this.task = task;
    this.socket = new WebSocket(task.url, ['millrace.v1'], { perMessageDeflate: false });
    this.name = task.names === 1 ? 'bench' : `bench-${index % task.names}`;
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.done.catch(() => {});
    this.socket.on('error', (error) => this.reject?.(error));
    this.socket.on('close', (code) => {
      this.closeCode = code;
      this.reject(
        new CheckFailed(`client ${index} was cut with ${code} after ${this.count} events`),
      );
    });
  }

  async subscribe() {
    await once(this.socket, 'open');
    const answer = new Promise((resolve) => {
      this.subscribed = resolve;
    });
    this.socket.on('message', (data) => this.take(/** @type {Buffer} */ (data)));
    const payload = { subscription: this.name, filter: this.task.filter };
    this.socket.send(JSON.stringify({ type: 'subscribe', requestId: 1, payload }));
    await answer;
  }

  /** @param {Buffer} bytes */
  take(bytes) {
    const now = Number(process.hrtime.bigint()) / 1e6;
    if (bytes.compare(EVENTS, 0, EVENTS.length, 0, EVENTS.length) !== 0) {
      const { type, payload } = JSON.parse(bytes.toString());
      if (type === 'subscribed') this.subscribed?.(undefined);
      else if (type !== 'welcome' && type !== 'caughtUp') {
        this.reject?.(new CheckFailed(`a client got ${type}: ${JSON.stringify(payload)}`));
      }
      return;
    }
    const { first, last, count, at } = contentOf(bytes);
    framesTotal += 1;
    framesBytes += bytes.length;
    if (this.next !== undefined && first !== this.next) {
      this.reject?.(new CheckFailed(`${first} came where ${this.next} was due`));
    }
    this.next = last + 1;
    this.count += count;
    latencies.recordMs(now - at);
    this.maxMs = Math.max(this.maxMs, now - at);
    if (this.count >= this.task.events) this.resolve?.(undefined);
  }
}

/** @param {Buffer} bytes @returns {FrameContent} */
function contentOf(bytes) {
  for (const content of known) if (content.bytes.equals(bytes)) return content;
  framesRead += 1;
  const content = read(bytes);
  known[knownNext] = content;
  knownNext = (knownNext + 1) % KNOWN_MAX;
  return content;
}

/** Reads and checks the sequence of every event of the frame. @param {Buffer} bytes @returns {FrameContent} */
function read(bytes) {
  const end = bytes.lastIndexOf(CURSOR);
  check(end > 0, 'a frame without a cursor');
  let first = -1;
  let last = -1;
  let count = 0;
  for (let at = bytes.indexOf(SEQUENCE); at >= 0; at = bytes.indexOf(SEQUENCE, at + 1)) {
    const sequence = numberAt(bytes, at + SEQUENCE.length);
    if (first < 0) first = sequence;
    else check(sequence === last + 1, `${sequence} came where ${last + 1} was due`);
    last = sequence;
    count += 1;
  }
  const at = numberAt(bytes, bytes.lastIndexOf(AT) + AT.length);
  // A copy, as the library's buffer is a part of a larger one read from the socket, which would be kept whole.
  return { bytes: Buffer.from(bytes), first, last, count, at };
}

/** @param {Buffer} bytes @param {number} offset */
function numberAt(bytes, offset) {
  let value = 0;
  let at = offset;
  for (let digit = (bytes[at] ?? 0) - DIGIT_0; digit >= 0 && digit <= 9; ) {
    value = value * 10 + digit;
    at += 1;
    digit = (bytes[at] ?? 0) - DIGIT_0;
  }
  return value;
}

/** @param {LoadTask} task */
async function run(task) {
  const clients = Array.from({ length: task.clients }, (_, index) => new Client(task, index));
  await Promise.all(clients.map((client) => client.subscribe()));
  const cpuBefore = process.cpuUsage();
  process.send?.({ type: 'subscribed' });
  await Promise.all(clients.map((client) => client.done));
  const { user, system } = process.cpuUsage(cpuBefore);
  const counts = clients.map(({ count }) => count);
  process.send?.({
    type: 'done',
    total: counts.reduce((sum, count) => sum + count, 0),
    least: Math.min(...counts),
    most: Math.max(...counts),
    framesTotal,
    framesRead,
    framesBytes,
    cpuMs: (user + system) / 1000,
    percentiles: [50, 95, 99, 99.9].map((percentile) => latencies.at(percentile)),
    maxMs: Math.max(...clients.map(({ maxMs }) => maxMs)),
  });
  for (const { socket } of clients) socket.terminate();
}

process.on('message', (task) => {
  run(/** @type {LoadTask} */ (task)).then(
    () => process.disconnect(),
    (error) => {
      process.send?.({ type: 'failed', message: String(error.message) });
      process.exitCode = 1;
      process.disconnect();
      setImmediate(() => process.exit(1));
    },
  );
});
