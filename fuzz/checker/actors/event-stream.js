/** A stream that has been silent for so long is dead, as docs/HTTP.md says, ms. */
const SILENCE_MS = 30_000;

/**
 * A subscription over Server-Sent Events. It ends with its connection, and its cursor is the id of the last message
 * that was taken.
 */
export class EventStream {
  ready;
  closed;
  cursor = '';
  #listeners = { gap: [], dropped: [] };
  #abort = new AbortController();
  /** @type {(value?: undefined) => void} */
  #becomeReady = () => {};

  constructor(url, filter, handler, { from, maxBuffer }) {
    const asked = new URLSearchParams();
    for (const topic of filter.topics) asked.append('topic', topic);
    for (const type of filter.types ?? []) asked.append('type', type);
    if (typeof from === 'string') asked.set('from', from);
    else asked.set('lastEventId', from.after);
    if (maxBuffer !== undefined) asked.set('maxBuffer', String(maxBuffer));
    this.ready = new Promise((resolve) => {
      this.#becomeReady = resolve;
    });
    this.closed = this.#read(`${url}/v1/events/stream?${asked}`, handler);
  }

  on(name, listener) {
    this.#listeners[name].push(listener);
    return this;
  }

  async #read(url, handler) {
    const headers = { accept: 'text/event-stream' };
    const silence = setTimeout(() => this.#abort.abort(), SILENCE_MS);
    try {
      const { body, status } = await fetch(url, {
        headers,
        signal: this.#abort.signal,
      });
      if (status !== 200) throw Object.assign(new Error(url), { code: `HTTP ${status}` });
      for await (const message of messagesOf(body)) {
        silence.refresh();
        await this.#take(message, handler);
      }
    } catch (error) {
      throw error.code === undefined || typeof error.code === 'number'
        ? Object.assign(new Error(error.message), { code: 'CONNECTION_FAILED' })
        : error;
    } finally {
      clearTimeout(silence);
    }
  }

  async #take({ id, event, data }, handler) {
    if (event === 'ended') throw Object.assign(new Error(data), { code: JSON.parse(data).code });
    if (event === undefined && data !== undefined) await handler(JSON.parse(data));
    if (event === 'gap' || event === 'dropped') {
      for (const listener of this.#listeners[event]) listener(JSON.parse(data));
    }
    if (id === undefined) return;
    const isFirst = this.cursor === '';
    this.cursor = id;
    if (isFirst) this.#becomeReady();
  }
}

async function* messagesOf(body) {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of body) {
    const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) yield messageOf(block);
  }
}

function messageOf(block) {
  const message = { id: undefined, event: undefined, data: undefined };
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':');
    const value = line.slice(colon + 1).replace(/^ /, '');
    const name = line.slice(0, colon);
    if (name in message) message[name] = value;
  }
  return message;
}
