import { parentPort, workerData } from 'node:worker_threads';
import { attachBus } from '../endpoint/attach-bus.js';
import type { BusEndpoint } from '../endpoint/bus-endpoint.js';
import { internalsOf } from '../endpoint/internals.js';
import {
  GATEWAY_CLOSE,
  GATEWAY_CRASH,
  GATEWAY_EXHAUST,
  GATEWAY_HANG,
  type GatewayOrder,
  type GatewayThreadData,
  type GatewayThreadMessage,
} from '../main/gateway-messages.js';
import type { BusError } from '../protocol/errors.js';
import { GATEWAY_TURN_MS } from '../protocol/limits/gateway.js';
import { errorData } from './error-data.js';
import { Gateway } from './gateway.js';
import type { GatewayLogger } from './gateway-log.js';

/** The entry of a gateway's thread: attaches to the bus, serves, and ends on `GATEWAY_CLOSE`. */

if (parentPort === null) throw new Error('gateway-thread.js is the entry of a worker thread');
const parent = parentPort;
const {
  attachment,
  options,
  logLevel,
  gateway: place,
  joins,
  isSuccessor,
  samples,
} = workerData as GatewayThreadData;

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
const LEAST_LEVEL = LEVELS.indexOf(logLevel);

const log: GatewayLogger = (level, message, fields) => {
  // Entries below the log level do not cross to the other thread.
  if (LEVELS.indexOf(level) < LEAST_LEVEL) return;
  report({ type: 'log', log: { level, message, fields } });
};

await serve();

/** Logs errors of the endpoint that belong to no request, so that no answer can carry them. */
function logFailure({ code, message, details }: BusError): void {
  log('error', message, { code, ...details });
}

async function serve(): Promise<void> {
  let endpoint: BusEndpoint | undefined;
  try {
    const attached = attachBus(attachment, { onError: logFailure });
    endpoint = attached;
    const gateway = new Gateway(attached, options, log, {
      logsFrames: logLevel === 'debug',
      figures: { samples, keep: (sample) => report({ type: 'sample', sample }) },
    });
    await gateway.listen({ joins, isSuccessor });
    obeyOrders(gateway, attached);
    const turning = setInterval(
      () => internalsOf(attached)?.busCounters.noteTurn(place),
      GATEWAY_TURN_MS,
    );
    turning.unref();
    report({ type: 'listening', host: gateway.host, port: gateway.port });
  } catch (error) {
    report({ type: 'failed', error: errorData(error) });
    await endpoint?.close().catch(() => {});
    parent.close();
  }
}

function obeyOrders(gateway: Gateway, endpoint: BusEndpoint): void {
  parent.on('message', (order: GatewayOrder) => {
    if (order !== GATEWAY_CLOSE) {
      hurt(order);
      return;
    }
    parent.removeAllListeners('message');
    void close(gateway, endpoint);
  });
}

/** Carries out the orders by which test suites make the thread fail. */
function hurt(order: GatewayOrder): void {
  if (order === GATEWAY_CRASH) {
    setImmediate(() => {
      throw new Error('it was told to crash');
    });
  }
  if (order === GATEWAY_HANG) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  if (order === GATEWAY_EXHAUST) leak([]);
}

/**
 * Fills the heap a piece in each turn of the loop. A heap that grows past its limit before the collector has marked it
 * ends the whole process on Node 24, not the thread alone; one that is filled with long arrays hangs the thread there.
 */
function leak(heap: unknown[]): void {
  for (let more = 0; more < 10_000; more++) heap.push({ at: heap.length, more: {} });
  setImmediate(leak, heap);
}

async function close(gateway: Gateway, endpoint: BusEndpoint): Promise<void> {
  try {
    await gateway.close();
    await endpoint.close();
  } catch (error) {
    log('error', 'the gateway did not close cleanly', { error: errorData(error) });
  }
  report({ type: 'closed' });
  parent.close();
}

function report(message: GatewayThreadMessage): void {
  parent.postMessage(message);
}
