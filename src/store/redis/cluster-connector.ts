import { connect as connectPlain, type Socket } from 'node:net';
import { setTimeout as afterMs } from 'node:timers/promises';
import { type ConnectionOptions, connect as connectEncrypted } from 'node:tls';
import type { RedisNode } from './redis-options.js';

/** What ioredis asks of a `Connector`, and the part of its `AbstractConnector` that is used here. */
interface Connector {
  connecting: boolean;
  stream?: Socket;
  disconnect(): void;
}

/** A client of one node, of ioredis too. */
interface NodeClient {
  on(event: string, listener: (...args: unknown[]) => void): unknown;
  connect(): Promise<void>;
  disconnect(): void;
  callBuffer(command: string, ...args: string[]): Promise<unknown>;
}

export interface ConnectorParts {
  readonly AbstractConnector: new (disconnectTimeoutMs: number) => Connector;
  readonly nodes: readonly RedisNode[];
  /** The client stays with the node that serves this key. */
  readonly key: string;
  readonly tls: ConnectionOptions | undefined;
  /** A client of one node, which is not connected yet and does not connect twice. */
  client(node: RedisNode): NodeClient;
  pauseMs(attempt: number): number;
}

type Tell = (event: string, error: Error) => void;

/**
 * Makes a connector for one client: whenever the client connects, it looks up the node of a Redis Cluster that serves a key, as
 * a connector for sentinels looks up the master. So each connection is to one node, and a failover shows as another
 * connection. The `Cluster` of ioredis follows redirections without a word, and sends again by itself.
 */
export function clusterConnector(parts: ConnectorParts): new () => Connector {
  const { AbstractConnector, tls } = parts;
  /** The nodes of the last answer, and those that the user named. */
  let known: readonly RedisNode[] = parts.nodes;
  return class extends AbstractConnector {
    readonly #asked = new Set<NodeClient>();

    constructor() {
      super(2000);
    }

    /** Called by the client with what the server says of itself. */
    check({ role }: { readonly role?: string }): boolean {
      return role === undefined || role === 'master';
    }

    async connect(tell: Tell): Promise<Socket> {
      this.connecting = true;
      for (let attempt = 1; this.connecting; attempt++) {
        const node = await this.#master(tell);
        if (!this.connecting) break;
        if (node !== undefined) {
          this.stream =
            tls === undefined ? connectPlain(node) : connectEncrypted({ ...tls, ...node });
          return this.stream;
        }
        await afterMs(parts.pauseMs(attempt));
      }
      throw new Error('Connection is closed.');
    }

    override disconnect(): void {
      super.disconnect();
      for (const client of this.#asked) client.disconnect();
    }

    async #master(tell: Tell): Promise<RedisNode | undefined> {
      // Another order each time: one that is cut off may tell of what was.
      const order = [...known].sort(() => Math.random() - 0.5);
      for (const node of order) {
        if (!this.connecting) return undefined;
        const client = parts.client(node);
        let said: Error | undefined;
        client.on('error', (error) => {
          said = error as Error;
        });
        this.#asked.add(client);
        try {
          await client.connect();
          const slot = (await client.callBuffer('CLUSTER', 'KEYSLOT', parts.key)) as number;
          const ranges = rangesOf(await client.callBuffer('CLUSTER', 'SLOTS'), node);
          known = distinct([...ranges.flatMap(({ servers }) => servers), ...parts.nodes]);
          const range = ranges.find(({ first, last }) => first <= slot && slot <= last);
          if (range !== undefined) return range.servers[0];
          tell('error', new Error('no node of the cluster serves the slot of the shard'));
        } catch (error) {
          // What the client said before is why its promise failed.
          tell('error', said ?? (error as Error));
        } finally {
          this.#asked.delete(client);
          client.disconnect();
        }
      }
      return undefined;
    }
  };
}

interface SlotRange {
  readonly first: number;
  readonly last: number;
  /** The master comes first. */
  readonly servers: readonly RedisNode[];
}

type Server = readonly [host: Buffer | null, port: number, ...unknown[]];

function rangesOf(reply: unknown, asked: RedisNode): SlotRange[] {
  return (reply as [number, number, ...Server[]][]).map(([first, last, ...servers]) => ({
    first,
    last,
    servers: servers.map(([host, port]) => ({
      // Without a name it is the one that was asked.
      host: host === null || host.length === 0 ? asked.host : host.toString(),
      port,
    })),
  }));
}

function distinct(nodes: readonly RedisNode[]): RedisNode[] {
  return [...new Map(nodes.map((node) => [`${node.host} ${node.port}`, node])).values()];
}
