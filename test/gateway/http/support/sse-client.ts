import { get, type IncomingMessage } from 'node:http';

/** Reads Server-Sent Events from a raw answer, block by block. */
export interface SseBlock {
  readonly id?: string;
  readonly event?: string;
  readonly data?: string;
  readonly retry?: string;
  readonly comment?: string;
}

export class SseClient {
  readonly response: IncomingMessage;
  readonly closed: Promise<void>;
  readonly #blocks: SseBlock[] = [];
  #rest = '';
  #isClosed = false;
  #wake: () => void = () => {};

  constructor(response: IncomingMessage) {
    this.response = response;
    response.setEncoding('utf8');
    response.on('data', (text: string) => this.#read(text));
    response.on('error', () => {});
    this.closed = new Promise((resolve) => {
      response.once('close', () => {
        this.#isClosed = true;
        this.#wake();
        resolve();
      });
    });
  }

  static open(url: string, headers: Record<string, string> = {}): Promise<SseClient> {
    return new Promise((resolve, reject) => {
      get(url, { headers, agent: false }, (response) => resolve(new SseClient(response))).on(
        'error',
        reject,
      );
    });
  }

  /** The next block that has data, or any with `isAny`. */
  async next(isAny = false): Promise<SseBlock> {
    for (;;) {
      const block = this.#blocks.shift();
      if (block !== undefined) {
        if (isAny || block.data !== undefined) return block;
        continue;
      }
      if (this.#isClosed) throw new Error('the stream has ended');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The next block of this event. */
  async named(event: string): Promise<SseBlock> {
    for (;;) {
      const block = await this.next();
      if (block.event === event) return block;
    }
  }

  close(): void {
    this.response.destroy();
  }

  #read(text: string): void {
    const blocks = (this.#rest + text).split('\n\n');
    this.#rest = blocks.pop()!;
    this.#blocks.push(...blocks.map(parse));
    this.#wake();
  }
}

function parse(block: string): SseBlock {
  const fields: Record<string, string> = {};
  for (const line of block.split('\n')) {
    const end = line.indexOf(':');
    const name = end === 0 ? 'comment' : line.slice(0, end);
    fields[name] = line.slice(end + 1).replace(/^ /, '');
  }
  return fields;
}
