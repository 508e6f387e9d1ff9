import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { BusError } from '../../protocol/errors.js';
import { FORWARD_ANSWER_MS } from '../../protocol/limits/forward.js';
import { messageOf } from '../../protocol/thrown.js';
import { pause } from '../pause.js';
import type { RedisAddress } from './broker-address.js';
import { messageId, messageText } from './broker-message.js';
import type { Forwarded } from './hops.js';
import type { Outcome, Target } from './target.js';

/**
 * A Redis Stream as a target, for other programs: each event is an entry with the fields `id`, `topic`, `type` and `event`,
 * its JSON. A script finds repeats and adds the entry in one step. Redis remembers ids for a time, and of each topic the
 * id of the last entry for good. The client is loaded by the first connection.
 */

/**
 * KEYS: the stream; the key of the event's id; the hash of the last ids, by topic. ARGV: the id; how long it is remembered, ms;
 * about how many entries the stream keeps, 0 for all; topic, type, the event's own id and its JSON. Returns 1 for a repeat, else 0.
 */
const ADD = `
if redis.call('EXISTS', KEYS[2]) == 1 or redis.call('HGET', KEYS[3], ARGV[4]) == ARGV[1] then
  return 1
end
local fields = {'topic', ARGV[4], 'type', ARGV[5], 'id', ARGV[6], 'event', ARGV[7]}
if ARGV[3] == '0' then
  redis.call('XADD', KEYS[1], '*', unpack(fields))
else
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*', unpack(fields))
end
redis.call('SET', KEYS[2], '', 'PX', ARGV[2])
redis.call('HSET', KEYS[3], ARGV[4], ARGV[1])
return 0
`;

/** As `ADD`, and adds nothing. */
const FIND = `
if redis.call('EXISTS', KEYS[2]) == 1 or redis.call('HGET', KEYS[3], ARGV[2]) == ARGV[1] then
  return 1
end
return 0
`;

const ID_BYTES = 16;
/** The longest pause before the next attempt to connect, ms. */
const RECONNECT_MS_MAX = 1000;

/** The part of a client of ioredis that is used here. */
interface RedisClient {
  readonly status: string;
  on(event: string, listener: (error: unknown) => void): unknown;
  connect(): Promise<void>;
  disconnect(): void;
  call(command: string, ...args: (string | number)[]): Promise<unknown>;
  pipeline(): RedisPipeline;
}

interface RedisPipeline {
  call(command: string, ...args: (string | number)[]): unknown;
  exec(): Promise<[error: Error | null, reply: unknown][] | null>;
}

/** Declared as any text, so that the types of an optional peer are not needed to build or use Millrace. */
const CLIENT: string = 'ioredis';

export class RedisTarget implements Target {
  readonly #address: RedisAddress;
  readonly #token: () => Promise<string | undefined>;
  /** One for all calls, however many come before it is there. */
  #client: Promise<RedisClient> | undefined;
  /** Why there is no connection. */
  #lastError: unknown;
  readonly #ended = new AbortController();

  /** `token`: the password; undefined: what the address says. */
  constructor(address: RedisAddress, token: () => Promise<string | undefined>) {
    this.#address = address;
    this.#token = token;
    // Several calls wait for the connection at once.
    setMaxListeners(0, this.#ended.signal);
  }

  async publish(inputs: readonly Forwarded[], signal: AbortSignal): Promise<readonly Outcome[]> {
    let client: RedisClient;
    try {
      client = await this.#ready(signal);
    } catch (thrown) {
      const error = faultOf(thrown);
      return inputs.map(() => ({ kind: 'failed', error, isKnown: true }));
    }
    const pipeline = client.pipeline();
    for (const input of inputs) pipeline.call('EVAL', ADD, 3, ...this.#addArguments(input));
    try {
      const replies = (await pipeline.exec()) ?? [];
      return inputs.map((_, at) => outcomeOf(replies[at]));
    } catch (thrown) {
      const error = faultOf(thrown);
      return inputs.map(() => ({ kind: 'failed', error, isKnown: false }));
    }
  }

  async has(input: Forwarded): Promise<boolean> {
    const client = await this.#ready();
    const keys = this.#keysOf(input);
    try {
      return (await client.call('EVAL', FIND, 3, ...keys, messageId(input), input.topic)) === 1;
    } catch (thrown) {
      throw faultOf(thrown);
    }
  }

  async close(): Promise<void> {
    this.#ended.abort();
    const client = await this.#client?.catch(() => undefined);
    client?.disconnect();
  }

  #keysOf(input: Forwarded): [string, string, string] {
    const { stream } = this.#address;
    // All keys of a stream are in one place of a cluster.
    const tagged = /\{[^}]+\}/.test(stream) ? stream : `{${stream}}`;
    const hash = createHash('sha256').update(messageId(input)).digest();
    const id = hash.subarray(0, ID_BYTES).toString('base64url');
    return [stream, `${tagged}:id:${id}`, `${tagged}:last`];
  }

  #addArguments(input: Forwarded): (string | number)[] {
    const { dedupeMs, maxEvents } = this.#address;
    const { topic, type, id } = input;
    const kept = [messageId(input), dedupeMs, maxEvents];
    return [...this.#keysOf(input), ...kept, topic, type, id, messageText(input)];
  }

  /** A client with a connection. @throws the reason why there is none after some time */
  async #ready(signal = this.#ended.signal): Promise<RedisClient> {
    this.#client ??= this.#begun().catch((error) => {
      this.#client = undefined;
      throw error;
    });
    const client = await this.#client;
    const endsAt = performance.now() + FORWARD_ANSWER_MS;
    while (client.status !== 'ready') {
      if (performance.now() >= endsAt || signal.aborted || isRefusal(this.#lastError)) {
        throw this.#lastError ?? new Error('no answer');
      }
      await pause(WAIT_MS, signal);
    }
    return client;
  }

  async #begun(): Promise<RedisClient> {
    const { Redis } = await loaded();
    const password = await this.#token();
    const client = new Redis(this.#address.url, {
      lazyConnect: true,
      enableOfflineQueue: false,
      // What was under way when a connection was lost is in doubt, and the sink knows what to do then.
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      protocol: 2,
      connectTimeout: FORWARD_ANSWER_MS,
      socketTimeout: FORWARD_ANSWER_MS,
      retryStrategy: (attempt: number) =>
        Math.min(RECONNECT_MS_MAX, 20 * 2 ** Math.min(attempt, 10)),
      ...(password === undefined ? {} : { password }),
    });
    client.on('error', (error) => {
      this.#lastError = error;
    });
    client.on('ready', () => {
      this.#lastError = undefined;
    });
    client.connect().catch((error: unknown) => {
      this.#lastError ??= error;
    });
    return client;
  }
}

const WAIT_MS = 20;

interface ClientModule {
  readonly Redis: new (...of: unknown[]) => RedisClient;
}

async function loaded(): Promise<ClientModule> {
  try {
    return (await import(CLIENT)) as ClientModule;
  } catch (cause) {
    const message = 'forward to Redis needs the package ioredis: npm install ioredis';
    throw new BusError('OPTION_INVALID', message, { cause });
  }
}

function outcomeOf(answer: [error: Error | null, reply: unknown] | undefined): Outcome {
  if (answer === undefined) {
    const error = new BusError('CONNECTION_FAILED', 'Redis: an answer is missing');
    return { kind: 'failed', error, isKnown: false };
  }
  const [thrown, reply] = answer;
  if (thrown === null) return { kind: 'stored', isDuplicate: reply === 1 };
  return { kind: 'failed', error: faultOf(thrown), isKnown: isBeforeAll(thrown) };
}

/** The first word of an error that Redis answered. */
function replyCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || thrown.name !== 'ReplyError') return undefined;
  return thrown.message.split(' ', 1)[0];
}

/** What Redis says before it has done anything of a script. */
const BEFORE_ALL = ['OOM', 'MISCONF', 'LOADING', 'READONLY', 'BUSY', 'MASTERDOWN', 'NOREPLICAS'];

function isBeforeAll(thrown: unknown): boolean {
  return BEFORE_ALL.includes(replyCode(thrown) ?? '');
}

function isRefusal(thrown: unknown): boolean {
  return faultOf(thrown).code === 'UNAUTHENTICATED';
}

/** The client's errors have their command with all its arguments: none of them is passed on. */
function faultOf(thrown: unknown): BusError {
  if (thrown instanceof BusError) return thrown;
  const code = replyCode(thrown);
  const text = `Redis: ${messageOf(thrown)}`;
  if (code === 'WRONGPASS' || code === 'NOAUTH' || /invalid password/i.test(text)) {
    return new BusError('UNAUTHENTICATED', text);
  }
  if (code === 'OOM' || code === 'MISCONF') return new BusError('STORE_FULL', text);
  return new BusError(code === undefined ? 'CONNECTION_FAILED' : 'SINK_FAILED', text);
}
