import type { Principal } from '../../auth/principal.js';
import { internalsOf } from '../../endpoint/internals.js';
import { SYSTEM_TOPICS, SYSTEM_TYPES } from '../../endpoint/system-events.js';
import { GATEWAY_GOODBYE_MS } from '../../protocol/limits/gateway.js';
import { WIRE_PATH, WIRE_PROTOCOL } from '../../protocol/wire.js';
import { within } from '../../threads/within.js';
import { CursorTexts } from '../cursor-texts.js';
import type { DoorContext, OpenDoor, UpgradedClient } from '../door.js';
import { type Exchange, sendError } from '../http/exchange.js';
import { Refusal } from '../refusal.js';
import { Connection, type ConnectionContext } from './connection.js';
import { frameText } from './frames.js';
import { SharedFrames } from './shared-frames.js';

/** The WebSocket door, subprotocol `millrace.v1`: all operations of the bus, in JSON frames. */
export const openWebSocketDoor: OpenDoor = (context) => {
  const connections = new Connections(context);
  const { maxFrameBytes, compression } = context.settings;
  return {
    routes: [
      {
        method: 'GET',
        path: WIRE_PATH,
        handle: upgradeRequired,
        isPublic: true,
        listing: { about: `WebSocket, subprotocol <code>${WIRE_PROTOCOL}</code>` },
      },
    ],
    upgrades: [
      {
        path: WIRE_PATH,
        subprotocol: WIRE_PROTOCOL,
        maxPayload: maxFrameBytes,
        isCompressed: compression,
        connect: (client) => connections.add(client),
        refusalText: (error) => frameText('error', error),
      },
    ],
    close: () => connections.close(),
    cut: () => connections.cut(),
  };
};

/** The open connections: announces them to the bus, sends their heartbeats, and ends them. */
class Connections {
  readonly #context: ConnectionContext;
  readonly #open = new Set<Connection>();
  readonly #heartbeat: NodeJS.Timeout;

  constructor(context: DoorContext) {
    const frames = new SharedFrames();
    context.turns.onEnd(() => frames.forget());
    const cursors = new CursorTexts(context.endpoint.epoch);
    this.#context = { ...context, frames, cursors };
    context.signIns.onRevoked((principal) => this.#revoke(principal));
    this.#heartbeat = setInterval(() => {
      for (const connection of this.#open) connection.beat();
    }, context.settings.heartbeatMs);
    this.#heartbeat.unref();
  }

  add(client: UpgradedClient): void {
    const { endpoint, log, clients } = this.#context;
    const connection = new Connection(client, this.#context);
    const { address, id, principal } = connection;
    this.#open.add(connection);
    log('info', 'connection opened', { connection: id, address, principal: principal?.name });
    const internals = internalsOf(endpoint);
    const about = { connection: id, address };
    const leave = clients.enter(connection);
    internals?.countConnections(1);
    internals?.publishSystem(SYSTEM_TOPICS.opened, SYSTEM_TYPES.opened, about);
    void connection.ended.finally(() => {
      internals?.countConnections(-1);
      internals?.publishSystem(SYSTEM_TOPICS.closed, SYSTEM_TYPES.closed, about);
      this.#open.delete(connection);
      leave();
    });
  }

  /** Answers the requests in flight, and says goodbye to all clients. */
  async close(): Promise<void> {
    clearInterval(this.#heartbeat);
    await Promise.allSettled([...this.#open].map((connection) => connection.close()));
  }

  /** Ends the connections; clients have `GATEWAY_GOODBYE_MS` to say goodbye before they are cut. */
  async cut(): Promise<void> {
    const ended = Promise.allSettled([...this.#open].map((connection) => connection.ended));
    await within(GATEWAY_GOODBYE_MS, ended);
    for (const connection of this.#open) connection.terminate();
    await ended;
  }

  #revoke(principal: Principal): void {
    for (const connection of this.#open) {
      if (connection.principal === principal) connection.revoke();
    }
  }
}

async function upgradeRequired({ response }: Exchange): Promise<void> {
  const message = `${WIRE_PATH} is a WebSocket; this request is no upgrade`;
  sendError(response, new Refusal(426, 'MESSAGE_INVALID', message), { upgrade: 'websocket' });
}
