import { afterEach } from 'vitest';
import type { Bus } from '../../../src/main/bus.js';
import type { EventInput } from '../../../src/protocol/event.js';
import { openBus } from '../../bus/support/millrace.js';
import { RemoteEndpoint } from '../../bus/support/remote-endpoint.js';
import { type Outcome, run } from '../../cli/support/command.js';
import { connectTo } from '../../client/support/millrace-client.js';
import { IN_A_DIRECTORY, withFault } from '../../testing/subjects.js';
import { SocketClient } from '../support/socket-client.js';

/**
 * A bus with its threads and a gateway, and everything that speaks to it. Its log never removes what has expired, so all that
 * hides such an event is the one who hands it out.
 */
export class Served {
  readonly bus: Bus;
  readonly url: string;
  readonly port: number;

  private constructor(bus: Bus, url: string, port: number) {
    this.bus = bus;
    this.url = url;
    this.port = port;
  }

  static async open(): Promise<Served> {
    const { store } = await withFault(IN_A_DIRECTORY, 'keeps what has expired').create();
    const bus = await openBus({ store, shards: 1 });
    open.push(bus);
    const { url, port } = await bus.serve({ port: 0 });
    return new Served(bus, url, port);
  }

  worker(): Promise<RemoteEndpoint> {
    return RemoteEndpoint.attach(this.bus);
  }

  socket(): Promise<SocketClient> {
    return SocketClient.open(this.port);
  }

  client() {
    return connectTo(this.url).client;
  }

  /** A command in a process of its own. */
  command(args: readonly string[], input = ''): Promise<Outcome> {
    return run(args, { input, env: { MILLRACE_SERVER: this.url } });
  }

  post(path: string, body: string, headers: Readonly<Record<string, string>>): Promise<Response> {
    return fetch(`${this.url}${path}`, { method: 'POST', headers, body });
  }
}

const open: Bus[] = [];
// Of several hooks the last one runs first, so the directories are still there.
afterEach(() => Promise.all(open.splice(0).map((bus) => bus.close())));

export const JSON_TYPE = { 'content-type': 'application/json' };

export const eventOn = (topic: string, payload: unknown = 1): EventInput => ({
  topic,
  type: 'note',
  payload,
});

/** The code of an error, or `accepted`. */
export async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'accepted';
  } catch (error) {
    return String((error as { code?: unknown }).code ?? error);
  }
}
