import { afterEach } from 'vitest';
import type { StateChange } from '../../../src/client/reconnector.js';
import type * as millraceClient from '../../../src/client.js';
import type { BusClient, ConnectOptions } from '../../../src/client.js';
import type { BusError } from '../../../src/protocol/errors.js';
import { until } from '../../bus/support/wait.js';

/** The client as it is built, typed by its sources. Clients that a test leaves open are closed after it. */
const built: typeof millraceClient = await import(
  /* @vite-ignore */ new URL('../../../dist/client.js', import.meta.url).href
);

export interface TestClient {
  readonly client: BusClient;
  readonly states: StateChange[];
  /** The errors that were reported to `onError`. */
  readonly errors: BusError[];
}

const open = new Set<BusClient>();

/** Waits between tries are short, so that a test that loses its server ten times ends soon. */
export function connectTo(url: string, options: ConnectOptions = {}): TestClient {
  const errors: BusError[] = [];
  const states: StateChange[] = [];
  const client = built.connect(url, {
    reconnectBaseMs: 20,
    reconnectMaxMs: 100,
    reconnectFloorMs: 5,
    onError: (error) => errors.push(error),
    ...options,
  });
  client.on('state', (change) => states.push(change));
  open.add(client);
  return { client, states, errors };
}

/** Resolves when the client has connected again after this call. */
export async function reconnected(client: BusClient, after: number): Promise<void> {
  await until('the client is connected again', () => {
    return client.reconnects > after && client.state === 'connected';
  });
}

afterEach(async () => {
  await Promise.all([...open].map((client) => client.close()));
  open.clear();
});
