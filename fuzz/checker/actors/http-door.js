import { EventStream } from './event-stream.js';

/** The same over plain HTTP, written here without any code of the product: publishes, reads, and event streams. */
const REQUEST_MS = 20_000;

export class HttpDoor {
  epoch;
  #url;

  constructor(url) {
    this.#url = url;
  }

  /** An input is the text of an event. */
  inputOf(input, text) {
    return `${JSON.stringify(input).slice(0, -1)},"payload":${text}}`;
  }

  async publish(input, options) {
    const [ack] = await this.publishMany([input], options);
    return ack;
  }

  async publishMany(inputs, { durability, persist, atomic, expect, ttlMs, delayMs }) {
    /** @type {Record<string, string>} */
    const headers = { 'content-type': 'application/json' };
    if (durability !== undefined) headers['millrace-durability'] = durability;
    if (persist === false) headers['millrace-persist'] = 'false';
    if (atomic) headers['millrace-atomic'] = 'true';
    if (ttlMs !== undefined) headers['millrace-ttl-ms'] = String(ttlMs);
    if (delayMs !== undefined) headers['millrace-delay-ms'] = String(delayMs);
    if (expect !== undefined) headers['millrace-expect'] = String(expect.sequence ?? expect);
    return this.#json('/v1/events', {
      method: 'POST',
      headers,
      body: `[${inputs.join()}]`,
    });
  }

  async query({ topic, limit, reverse }) {
    const asked = new URLSearchParams({ topic, limit: String(limit) });
    if (reverse) asked.set('reverse', 'true');
    return this.#json(`/v1/events?${asked}`, {});
  }

  async range({ topic, limit, after }) {
    const asked = new URLSearchParams({ topic, limit: String(limit) });
    if (after !== undefined) asked.set('after', after);
    const { answer, headers } = await this.#ask(`/v1/events?${asked}`, {});
    return { events: answer, cursor: headers.get('millrace-cursor') ?? undefined };
  }

  async get(topic, id) {
    try {
      return await this.#json(`/v1/events/${id}?topic=${topic}`, {});
    } catch (error) {
      if (error.code === 'NOT_FOUND') return undefined;
      throw error;
    }
  }

  async latest(topic) {
    return this.#json(`/v1/latest?${new URLSearchParams({ topic, limit: '1000' })}`, {});
  }

  async cancel(id, topic) {
    const { cancelled } = await this.#json(`/v1/scheduled/${id}?topic=${topic}`, {
      method: 'DELETE',
    });
    return cancelled;
  }

  subscribe(filter, handler, options) {
    return new EventStream(this.#url, filter, handler, options);
  }

  async #json(path, options) {
    return (await this.#ask(path, options)).answer;
  }

  async #ask(path, options) {
    let response;
    try {
      response = await fetch(this.#url + path, {
        ...options,
        signal: AbortSignal.timeout(REQUEST_MS),
      });
      const answer = JSON.parse(await response.text());
      if (response.ok) return { answer, headers: response.headers };
      throw Object.assign(new Error(answer.error.message), answer.error);
    } catch (error) {
      if (response !== undefined && error.code !== undefined && error.status !== undefined)
        throw error;
      const isRefused = error.cause?.code === 'ECONNREFUSED';
      throw Object.assign(new Error(`${path}: ${error.message}`), {
        code: isRefused ? 'REFUSED' : 'CONNECTION_FAILED',
      });
    }
  }
}
