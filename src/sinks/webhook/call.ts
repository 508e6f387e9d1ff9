import { lookup as systemLookup } from 'node:dns/promises';
import http, { type IncomingMessage, type RequestOptions } from 'node:http';
import https from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { BusError } from '../../protocol/errors.js';
import {
  WEBHOOK_ADDRESSES_MAX,
  WEBHOOK_ANSWER_BYTES_MAX,
  WEBHOOK_EXCERPT_BYTES_MAX,
  WEBHOOK_HEAD_BYTES_MAX,
  WEBHOOK_IDLE_MS,
  WEBHOOK_IDLE_SOCKETS_MAX,
} from '../../protocol/limits/webhook.js';
import { codeOf, errorOf } from '../../protocol/thrown.js';
import type { AddressPolicy } from './addresses.js';
import { type Agents, agentsOf } from './agents.js';
import { isOfOtherProtocol } from './ports.js';
import { excerptOf } from './verdict.js';

/**
 * Requests over connections that lead only to permitted addresses. A name is looked up once for each connection, and the
 * socket connects to an address out of that answer, so a name that changes its address between a check and the connection
 * (DNS rebinding) gains nothing. Redirects are not followed, and no proxy of the environment is used.
 */

/** Resolves a host name to its addresses. */
export type Resolve = (host: string) => Promise<readonly string[]>;

export interface Answer {
  readonly status: number;
  readonly statusText: string;
  readonly retryAfter: string | undefined;
  readonly location: string | undefined;
  /** The beginning of the body, on one line. */
  readonly excerpt: string;
}

export class Caller {
  readonly #policy: AddressPolicy;
  readonly #agents: Agents;

  constructor(policy: AddressPolicy, resolve: Resolve = systemResolve, ca?: string) {
    this.#policy = policy;
    const options = {
      keepAlive: true,
      timeout: WEBHOOK_IDLE_MS,
      maxFreeSockets: WEBHOOK_IDLE_SOCKETS_MAX,
      lookup: checkedLookup(policy, resolve),
    };
    this.#agents = agentsOf(options, ca);
  }

  /**
   * Checks what a URL says without a look-up: its port, and a host that is an address, to which a socket connects at once.
   *
   * @throws BusError `ADDRESS_REFUSED`
   */
  assertUrl({ hostname, port }: URL): void {
    if (isOfOtherProtocol(port)) {
      const message = `port ${port} is another protocol's: no call goes there`;
      throw new BusError('ADDRESS_REFUSED', message, { details: { host: hostname, port } });
    }
    const host = hostname.replace(/^\[|\]$/g, '');
    if (isIP(host) !== 0) assertPermitted(this.#policy, host, [host]);
  }

  /**
   * Posts a body, and resolves when the answer's body has ended or is long enough.
   *
   * @param untold texts that the answer does not tell: an endpoint may send back what it was sent
   * @throws BusError `ADDRESS_REFUSED`; any error of the connection; the signal's reason
   */
  async post(
    url: URL,
    headers: Readonly<Record<string, string>>,
    body: string,
    signal: AbortSignal,
    untold: readonly string[] = [],
  ): Promise<Answer> {
    this.assertUrl(url);
    signal.throwIfAborted();
    const isSecure = url.protocol === 'https:';
    const options: RequestOptions = {
      method: 'POST',
      headers: { ...headers, 'content-length': String(Buffer.byteLength(body)) },
      agent: this.#agents[isSecure ? 'https:' : 'http:'],
      maxHeaderSize: WEBHOOK_HEAD_BYTES_MAX,
      signal,
    };
    return send(isSecure ? https.request : http.request, url, options, body, untold).catch(
      (error) => {
        throw signal.aborted ? signal.reason : error;
      },
    );
  }

  /** Closes all connections, those of requests too. */
  close(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }
}

function send(
  start: typeof http.request,
  url: URL,
  options: RequestOptions,
  body: string,
  untold: readonly string[],
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const begin = (): void => {
      let isAnswered = false;
      const request = start(url, options, (answer) => {
        isAnswered = true;
        readAnswer(answer, untold).then(resolve, reject);
      });
      request.on('error', (error) => {
        if (isAnswered) return;
        // The other side has closed an idle connection just then: it has most likely not read the request, and knows its id
        // if it has. Each connection of the pool fails like this at most once, so this ends.
        if (request.reusedSocket && codeOf(error) === 'ECONNRESET') begin();
        else reject(error);
      });
      request.end(body);
    };
    begin();
  });
}

/** Reads as much as an excerpt needs. The status says all else, so a body that breaks off afterwards is no failure. */
async function readAnswer(message: IncomingMessage, untold: readonly string[]): Promise<Answer> {
  const { statusCode = 0, statusMessage = '', headers } = message;
  const kept: Buffer[] = [];
  // A text that is not told may begin before the end of the excerpt.
  const most = WEBHOOK_EXCERPT_BYTES_MAX + Math.max(0, ...untold.map((one) => one.length));
  let keptBytes = 0;
  let bytes = 0;
  try {
    for await (const chunk of message as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (keptBytes < most) {
        kept.push(chunk.subarray(0, most - keptBytes));
        keptBytes += kept.at(-1)!.length;
      }
      // Leaving the loop destroys the connection; a shorter body leaves it to the next request.
      if (bytes > WEBHOOK_ANSWER_BYTES_MAX) break;
    }
  } catch {
    // The status has come.
  }
  return {
    status: statusCode,
    statusText: excerptOf(without(untold, Buffer.from(statusMessage))),
    retryAfter: headers['retry-after'],
    location: headers.location && excerptOf(without(untold, Buffer.from(headers.location))),
    excerpt: excerptOf(without(untold, Buffer.concat(kept)).subarray(0, WEBHOOK_EXCERPT_BYTES_MAX)),
  };
}

function without(untold: readonly string[], bytes: Buffer): Buffer {
  if (untold.length === 0) return bytes;
  const text = bytes.toString('latin1');
  const told = untold.reduce((left, one) => left.replaceAll(one, '...'), text);
  return Buffer.from(told, 'latin1');
}

/** The look-up of a socket. It answers only permitted addresses, and fails if there is none. */
function checkedLookup(policy: AddressPolicy, resolve: Resolve): LookupFunction {
  return (host, { all, family }, callback) => {
    permittedAddresses(policy, resolve, host, Number(family) || 0).then(
      (addresses) => {
        const found = addresses.map((address) => ({ address, family: isIP(address) }));
        if (all === true) callback(null, found);
        else callback(null, found[0]!.address, found[0]!.family);
      },
      (error) => callback(errorOf(error), ''),
    );
  };
}

async function permittedAddresses(
  policy: AddressPolicy,
  resolve: Resolve,
  host: string,
  family: number,
): Promise<string[]> {
  const answered = (await resolve(host)).slice(0, WEBHOOK_ADDRESSES_MAX);
  const addresses = answered.filter((one) => isIP(one) !== 0 && [0, isIP(one)].includes(family));
  if (addresses.length === 0) throw new Error(`${host} has no address`);
  return assertPermitted(policy, host, addresses);
}

function assertPermitted(
  policy: AddressPolicy,
  host: string,
  addresses: readonly string[],
): string[] {
  const permitted = addresses.filter((address) => policy.fault(address) === undefined);
  if (permitted.length > 0) return permitted;
  const address = addresses[0]!;
  const name = host === address ? host : `${host}, that is ${address},`;
  throw new BusError('ADDRESS_REFUSED', `${name} is ${policy.fault(address)}: no call goes there`, {
    details: { host, address },
  });
}

async function systemResolve(host: string): Promise<string[]> {
  const found = await systemLookup(host, { all: true, verbatim: true });
  return found.map(({ address }) => address);
}
