import type { Msg, MsgHdrs, NatsConnection, RequestError } from '@nats-io/transport-node';
import { BusError } from '../../protocol/errors.js';
import { FORWARD_ANSWER_MS } from '../../protocol/limits/forward.js';
import { messageOf } from '../../protocol/thrown.js';
import type { NatsAddress } from './broker-address.js';
import { messageId, messageText } from './broker-message.js';
import type { Forwarded } from './hops.js';
import type { Outcome, Target } from './target.js';

/**
 * A JetStream stream as a target, for other programs: each event is a message with its JSON on the subject `SUBJECT.TOPIC`.
 * The server finds repeats by `Nats-Msg-Id` within the stream's window; an event in doubt is besides compared with the last one on its
 * subject. The client is loaded by the first connection.
 */

/** As `src/store/nats/subjects.ts`: of a topic's characters NATS takes all but these. */
const SPECIAL = /[%>]/g;
const MSG_ID = 'Nats-Msg-Id';
/** The bytes of a message's headers but for its id, at most. */
const HEADERS_BYTES = 64;
const NO_MESSAGE = 10037;
const NO_ROOM = [10002, 10023, 10028, 10047, 10077];
const TOO_LARGE = 10054;
const DUPLICATE_IN_PROCESS = 10158;

interface ApiFault {
  readonly err_code: number;
  readonly description: string;
}

interface Answer {
  readonly stream?: string;
  readonly seq?: number;
  readonly duplicate?: boolean;
  readonly streams?: readonly string[] | null;
  /** Base64. */
  readonly message?: { readonly hdrs?: string };
  readonly error?: ApiFault;
}

type Client = typeof import('@nats-io/transport-node');

interface Link {
  readonly client: Client;
  readonly connection: NatsConnection;
}

export class NatsTarget implements Target {
  readonly #address: NatsAddress;
  readonly #token: () => Promise<string | undefined>;
  #link: Promise<Link> | undefined;
  #isClosed = false;

  /** `token`: the password, or the token where there is no user; undefined: what the address says. */
  constructor(address: NatsAddress, token: () => Promise<string | undefined>) {
    this.#address = address;
    this.#token = token;
  }

  async publish(inputs: readonly Forwarded[], signal: AbortSignal): Promise<readonly Outcome[]> {
    let link: Link;
    try {
      link = await this.#connected();
    } catch (thrown) {
      const error = connectFault(thrown);
      return inputs.map(() => ({ kind: 'failed', error, isKnown: true }));
    }
    return Promise.all(inputs.map((input) => this.#publishOne(link, input, signal)));
  }

  async has(input: Forwarded): Promise<boolean> {
    const { connection } = await this.#connected();
    const subject = this.#subjectOf(input);
    const stream = await streamOf(connection, subject);
    const question = JSON.stringify({ last_by_subj: subject });
    const { message, error } = await asked(connection, `STREAM.MSG.GET.${stream}`, question);
    if (error !== undefined && error.err_code !== NO_MESSAGE) throw failed(error.description);
    const headers = Buffer.from(message?.hdrs ?? '', 'base64').toString();
    return headers.split('\r\n').includes(`${MSG_ID}: ${messageId(input)}`);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const link = await this.#link?.catch(() => undefined);
    await link?.connection.close();
  }

  async #publishOne(link: Link, input: Forwarded, signal: AbortSignal): Promise<Outcome> {
    const { connection, client } = link;
    const id = messageId(input);
    const text = messageText(input);
    const size = Buffer.byteLength(text) + Buffer.byteLength(id) + HEADERS_BYTES;
    const most = connection.info?.max_payload ?? Number.POSITIVE_INFINITY;
    if (size > most) return refused('PAYLOAD_TOO_LARGE', `max_payload of the server is ${most}`);
    if (signal.aborted) return { kind: 'failed', error: failed('stopped'), isKnown: true };
    const headers: MsgHdrs = client.headers();
    headers.set(MSG_ID, id);
    try {
      const options = { timeout: FORWARD_ANSWER_MS, headers };
      return outcomeOf(await connection.request(this.#subjectOf(input), text, options));
    } catch (thrown) {
      if (isWithoutResponder(thrown)) {
        const { subject } = this.#address;
        return refused('SINK_FAILED', `no stream of NATS has the subject ${subject}.>: make one`);
      }
      const error = new BusError('CONNECTION_FAILED', `NATS: ${messageOf(thrown)}`, {
        cause: thrown,
      });
      return { kind: 'failed', error, isKnown: false };
    }
  }

  #subjectOf({ topic }: Forwarded): string {
    const plain = topic.replace(SPECIAL, (one) => (one === '%' ? '%25' : '%3E'));
    return `${this.#address.subject}.${plain}`;
  }

  /** The connection, which comes back by itself; one that was closed for good is made anew. */
  #connected(): Promise<Link> {
    this.#link ??= this.#connect();
    return this.#link;
  }

  async #connect(): Promise<Link> {
    try {
      const client = await loaded();
      const { servers, isEncrypted, user, password } = this.#address;
      const secret = (await this.#token()) ?? password;
      const login =
        secret === undefined ? {} : user === undefined ? { token: secret } : { user, pass: secret };
      const connection = await client.connect({
        servers: [...servers],
        name: 'millrace forward',
        maxReconnectAttempts: -1,
        timeout: FORWARD_ANSWER_MS,
        ...login,
        ...(isEncrypted ? { tls: {} } : {}),
      });
      const forget = (): void => {
        this.#link = undefined;
      };
      connection.closed().then(forget, forget);
      if (this.#isClosed) await connection.close();
      return { client, connection };
    } catch (error) {
      this.#link = undefined;
      throw error;
    }
  }
}

async function loaded(): Promise<Client> {
  try {
    return await import('@nats-io/transport-node');
  } catch (cause) {
    const message =
      'forward to NATS needs the package @nats-io/transport-node: npm install @nats-io/transport-node';
    throw new BusError('OPTION_INVALID', message, { cause });
  }
}

async function asked(connection: NatsConnection, call: string, body: string): Promise<Answer> {
  const options = { timeout: FORWARD_ANSWER_MS };
  return (await connection.request(`$JS.API.${call}`, body, options)).json<Answer>();
}

async function streamOf(connection: NatsConnection, subject: string): Promise<string> {
  const { streams, error } = await asked(connection, 'STREAM.NAMES', JSON.stringify({ subject }));
  const [stream] = streams ?? [];
  if (stream !== undefined) return stream;
  throw failed(error?.description ?? `no stream has the subject ${subject}`);
}

function outcomeOf(message: Msg): Outcome {
  const { seq, duplicate = false, error } = answerOf(message);
  // Servers before 2.11 say so by a sequence of 0.
  if (seq === 0 || error?.err_code === DUPLICATE_IN_PROCESS) {
    const why = 'another message with its id is under way, or was lost there';
    return { kind: 'failed', error: failed(why), isKnown: false };
  }
  if (error === undefined && seq !== undefined) return { kind: 'stored', isDuplicate: duplicate };
  if (error === undefined) {
    const why = 'a program that is no stream has answered: nothing is stored';
    return { kind: 'failed', error: failed(why), isKnown: false };
  }
  const { err_code: code, description } = error;
  if (code === TOO_LARGE) return refused('PAYLOAD_TOO_LARGE', description);
  if (NO_ROOM.includes(code)) return refused('STORE_FULL', description);
  return refused('SINK_FAILED', description);
}

/** Nobody listens on the subject, so that the event went nowhere. */
function isWithoutResponder(thrown: unknown): boolean {
  return thrown instanceof Error && (thrown as Partial<RequestError>).isNoResponders?.() === true;
}

function answerOf(message: Msg): Answer {
  try {
    return message.json<Answer>();
  } catch {
    return {};
  }
}

function refused(code: 'PAYLOAD_TOO_LARGE' | 'STORE_FULL' | 'SINK_FAILED', why: string): Outcome {
  return { kind: 'failed', error: new BusError(code, `NATS: ${why}`), isKnown: true };
}

function failed(why: string): BusError {
  return new BusError('SINK_FAILED', `NATS: ${why}`);
}

/** A server that refuses the login will go on doing so. */
function connectFault(thrown: unknown): BusError {
  if (thrown instanceof BusError) return thrown;
  const name = thrown instanceof Error ? thrown.name : '';
  const code = /Authori|Authentication/.test(name) ? 'UNAUTHENTICATED' : 'CONNECTION_FAILED';
  return new BusError(code, `NATS: ${messageOf(thrown)}`, { cause: thrown });
}
