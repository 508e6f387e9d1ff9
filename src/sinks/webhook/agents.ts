import http from 'node:http';
import https from 'node:https';
import type { Duplex } from 'node:stream';
import { WEBHOOK_IDLE_SOCKETS_OF_ALL_MAX } from '../../protocol/limits/webhook.js';

/**
 * Agents that keep connections for later requests, and a bounded number of them: Node bounds those of each host, and
 * customers may name any number of hosts. A connection is kept under the name of its host, so it goes on to the address
 * that was checked when it was made.
 */

export interface Agents {
  readonly 'http:': http.Agent;
  readonly 'https:': https.Agent;
}

export function agentsOf(options: http.AgentOptions, ca: string | undefined): Agents {
  return {
    'http:': new PlainAgent(options),
    'https:': new SecureAgent({ ...options, ...(ca === undefined ? {} : { ca }) }),
  };
}

class PlainAgent extends http.Agent {
  override keepSocketAlive(socket: Duplex): boolean {
    return hasRoom(this) && Boolean(super.keepSocketAlive(socket));
  }
}

class SecureAgent extends https.Agent {
  override keepSocketAlive(socket: Duplex): boolean {
    return hasRoom(this) && Boolean(super.keepSocketAlive(socket));
  }
}

function hasRoom({ freeSockets }: http.Agent): boolean {
  let count = 0;
  for (const sockets of Object.values(freeSockets)) count += sockets?.length ?? 0;
  return count < WEBHOOK_IDLE_SOCKETS_OF_ALL_MAX;
}
