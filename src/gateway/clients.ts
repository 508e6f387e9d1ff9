import type { ConnectionInfo } from '../protocol/operations.js';

/**
 * The clients of one gateway that keep a connection, WebSockets and streams alike. Each door enters its own; operators
 * list and cut them. One thread.
 */
export interface Client {
  readonly id: string;
  describe(): ConnectionInfo;
  /** Ends the connection, and tells the client that an administrator did so. */
  disconnect(): void;
}

/** The reason that a client is given. */
export const DISCONNECTED = 'an administrator has ended this connection';

export class Clients {
  readonly #open = new Map<string, Client>();

  /** Enters a client, until the returned function is called. */
  enter(client: Client): () => void {
    this.#open.set(client.id, client);
    return () => this.#open.delete(client.id);
  }

  list(): ConnectionInfo[] {
    return [...this.#open.values()].map((client) => client.describe());
  }

  /** False if there is no such client here. */
  disconnect(id: string): boolean {
    const client = this.#open.get(id);
    if (client === undefined) return false;
    // Not in this turn, so that a client that cuts itself gets its answer first.
    setImmediate(() => client.disconnect());
    return true;
  }
}
