import { join } from 'node:path';
import type { Bus } from '../../../src/main/bus.js';
import type { GatewayOptions } from '../../../src/main/gateway-options.js';
import { type TestKey, writeKeys } from '../../auth/support/auth.js';
import { openTestBus, temporaryDirectory } from '../../bus/support/open.js';
import { within } from '../../bus/support/wait.js';
import { SocketClient } from '../support/socket-client.js';

/** A bus with a gateway, and clients that speak to it by its address alone. */

export interface Served {
  readonly bus: Bus;
  readonly url: string;
  readonly port: number;
}

export async function serve(
  keys: readonly TestKey[] = [],
  options: GatewayOptions = {},
  shards = 2,
): Promise<Served> {
  const bus = await openTestBus({ shards });
  const { url, port } = await serveMore(bus, keys, options);
  return { bus, url, port };
}

/** A further gateway of the bus, on a port of its own. */
export async function serveMore(
  bus: Bus,
  keys: readonly TestKey[] = [],
  options: GatewayOptions = {},
): Promise<{ readonly url: string; readonly port: number }> {
  if (keys.length === 0) return bus.serve({ port: 0, ...options });
  const keysFile = join(temporaryDirectory(), 'keys.json');
  writeKeys(keysFile, ...keys);
  return bus.serve({ port: 0, auth: { keysFile }, ...options });
}

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a test says itself what it expects of a body
  readonly body: any;
}

/** Asks over HTTP, with a JSON body unless it is undefined. */
export async function ask(
  url: string,
  method: string,
  path: string,
  body?: unknown,
  { key, signal }: { readonly key?: TestKey; readonly signal?: AbortSignal } = {},
): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      'content-type': 'application/json',
      ...(key === undefined ? {} : { authorization: `Bearer ${key.key}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
}

export async function publish(bus: Bus, count: number, topic = 'jobs.a'): Promise<void> {
  for (let n = 0; n < count; n++) await bus.publish({ topic, type: 'job', payload: { n } });
}

export async function connect(port: number, key?: TestKey): Promise<SocketClient> {
  if (key === undefined) return SocketClient.open(port);
  const client = new SocketClient(port, { headers: { authorization: `Bearer ${key.key}` } });
  await client.next('welcome');
  return client;
}

export interface Taken {
  readonly lease: string;
  readonly attempt: number;
  readonly leaseMs: number;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly event: any;
}

/** The next deliveries that come to the client, at least so many. */
export async function deliveries(client: SocketClient, count: number): Promise<Taken[]> {
  const taken: Taken[] = [];
  while (taken.length < count) {
    const { payload } = await within('deliveries', client.next('deliveries'));
    taken.push(...payload.deliveries);
  }
  return taken;
}
