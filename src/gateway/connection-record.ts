import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Principal } from '../auth/principal.js';
import { USER_AGENT_LENGTH_MAX } from '../protocol/limits/gateway.js';
import type { ConnectionInfo } from '../protocol/operations.js';

/**
 * Describes one connection to operators. Its bytes are counters that Node keeps for each socket, read when somebody
 * asks; a stream that is no socket counts none. One thread.
 */
export interface Connected {
  readonly id: string;
  readonly address: string;
  readonly kind: ConnectionInfo['kind'];
  /** The header of the client's request. */
  readonly userAgent: string | undefined;
}

type Counting = Duplex & Partial<Pick<Socket, 'bytesRead' | 'bytesWritten'>>;

export class ConnectionRecord {
  readonly id: string;
  readonly #connected: Connected;
  readonly #since = new Date().toISOString();
  readonly #stream: Counting;
  readonly #receivedBefore: number;
  readonly #sentBefore: number;

  /** `isShared`: the socket has carried other requests before, which do not count. */
  constructor(connected: Connected, stream: Duplex, isShared = false) {
    this.id = connected.id;
    this.#connected = connected;
    this.#stream = stream;
    this.#receivedBefore = isShared ? this.#received : 0;
    this.#sentBefore = isShared ? this.#sent : 0;
  }

  describe(
    principal: Principal | undefined,
    now: Pick<ConnectionInfo, 'subscriptions' | 'heldBytes'>,
  ): ConnectionInfo {
    const { id, address, kind, userAgent } = this.#connected;
    return {
      id,
      address,
      ...(principal !== undefined && { principal: principal.name }),
      kind,
      since: this.#since,
      subscriptions: now.subscriptions,
      receivedBytes: this.#received - this.#receivedBefore,
      sentBytes: Math.max(0, this.#sent - this.#sentBefore),
      heldBytes: now.heldBytes,
      ...(userAgent !== undefined && { userAgent: userAgent.slice(0, USER_AGENT_LENGTH_MAX) }),
    };
  }

  get #received(): number {
    return this.#stream.bytesRead ?? 0;
  }

  /** Node counts bytes as written that wait in the stream. */
  get #sent(): number {
    const { bytesWritten, writableLength } = this.#stream;
    return bytesWritten === undefined ? 0 : bytesWritten - writableLength;
  }
}
