import { createServer } from 'node:http';
import { setTimeout as pass } from 'node:timers/promises';
import { Webhook } from 'standardwebhooks';
import { digestOf } from './summary.js';

/** How a receiver answers what it has taken. */
const MANNERS = {
  takes: 6,
  refuses: 2,
  isBusy: 2,
  hangsUp: 2,
  isSlow: 1,
};

const REFUSALS = new Set(['refuses', 'isBusy']);

/** Takes webhooks and notes each that is signed, in the order in which they arrive; then answers well or badly. */
export class Receiver {
  /** @type {{ id: string, topic: string, digest: string }[]} */
  received = [];
  /** @type {string[]} */
  problems = [];
  manner = 'takes';
  #webhook;
  #server;

  /** @param {string} secret */
  constructor(secret) {
    this.#webhook = new Webhook(secret);
    this.#server = createServer((request, response) => {
      this.#take(request, response).catch(() => response.destroy());
    });
  }

  /** @returns {Promise<number>} the port */
  async listen() {
    await new Promise((resolve) => this.#server.listen(0, '127.0.0.1', () => resolve(undefined)));
    return /** @type {import('node:net').AddressInfo} */ (this.#server.address()).port;
  }

  /** @param {import('../../storage/random.js').Random} random */
  misbehave(random) {
    this.manner = random.pickWeighted(MANNERS);
  }

  close() {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #take(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    // What it refuses, it has not taken; what it takes without an answer comes again.
    if (!REFUSALS.has(this.manner)) this.#note(Buffer.concat(chunks).toString(), request.headers);
    await this.#answer(response);
  }

  #note(body, headers) {
    let event;
    try {
      event = this.#webhook.verify(body, headers);
    } catch (error) {
      this.problems.push(`a webhook is not signed: ${error.message}`);
      return;
    }
    const { id, topic, payload } = event;
    if (headers['webhook-id'] !== id)
      this.problems.push(`the webhook of ${id} is called ${headers['webhook-id']}`);
    this.received.push({ id, topic, digest: digestOf(payload) });
  }

  async #answer(response) {
    switch (this.manner) {
      case 'refuses':
        return response.writeHead(500).end('not now');
      case 'isBusy':
        return response.writeHead(503, { 'retry-after': '1' }).end();
      case 'hangsUp':
        return response.destroy();
      case 'isSlow':
        await pass(300);
        return response.writeHead(204).end();
      default:
        return response.writeHead(204).end();
    }
  }
}
