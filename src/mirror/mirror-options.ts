import { connect } from '../client.js';
import type { BusApi, Gap } from '../protocol/bus-api.js';
import type { BusError } from '../protocol/errors.js';
import { aFunction, checkOptions, type OptionCheck, optionInvalid } from '../protocol/options.js';
import { quote } from '../protocol/quote.js';
import { patternFault } from '../protocol/topic.js';
import { busNameFault } from '../sinks/forward/hops.js';

/** The options of `openMirror`, checked once. */

/** The calls that a mirror needs of a bus. */
export type RemoteBus = Pick<BusApi, 'subscribe' | 'publish' | 'publishMany' | 'get'>;

/** A server to connect to. */
export interface MirrorServer {
  /** The server's address, such as `https://events.example`. */
  readonly url: string;
  /**
   * A key or token with the grants `publish` and `subscribe` for the topics; or a function that gives one. Default:
   * none.
   */
  readonly token?: string | (() => string | Promise<string>);
}

export interface MirrorOptions {
  /** The directory of the mirror, made if it does not exist; one process at a time has it open. */
  dir: string;
  /** The bus to be mirrored: a server, or a bus, which stays open when the mirror is closed. */
  remote: MirrorServer | RemoteBus;
  /** The name of this mirror, among all that publish into the remote bus: 1 to 64 characters of `A-Z a-z 0-9 . _ -`. */
  here: string;
  /** The name of the remote bus. */
  there: string;
  /** Which topics are mirrored: a pattern, or several. Default `*`. */
  topics?: string | readonly string[];
  /** Told of failures after which the mirror goes on: of the network, or of an event that the remote bus refuses. Default: a warning of the process. */
  onError?: (error: BusError) => void;
  /** Told of events that the remote bus has removed before they came here. Default: nobody is told. */
  onGap?: (gap: Gap) => void;
}

export interface ParsedMirrorOptions {
  readonly dir: string;
  readonly here: string;
  readonly there: string;
  readonly topics: readonly string[];
  readonly onError: ((error: BusError) => void) | undefined;
  readonly onGap: ((gap: Gap) => void) | undefined;
  /** Called once. `close` is what is to be done at the end. */
  readonly open: () => { readonly remote: RemoteBus; readonly close: () => Promise<void> };
}

const aRemote: OptionCheck = (value) => {
  if (typeof value !== 'object' || value === null) {
    return `has to be a bus or { url, token? }, not ${quote(value)}`;
  }
  if (isBus(value)) return undefined;
  const { url, token, ...others } = value as Record<string, unknown>;
  const [other] = Object.keys(others);
  if (other !== undefined) return `has ${quote(other)}; a server has a url and a token`;
  if (typeof url !== 'string' || !/^(?:https?|wss?):/.test(url) || !URL.canParse(url)) {
    return 'has no url such as https://events.example; a bus on a broker is opened first, and handed in';
  }
  const isToken = token === undefined || typeof token === 'function' || typeof token === 'string';
  return isToken ? undefined : 'has a token that is neither text nor a function';
};

const aDirectory: OptionCheck = (value) =>
  typeof value === 'string' && value !== '' && value !== ':memory:'
    ? undefined
    : 'has to be the path of a directory';

const patterns: OptionCheck = (value) => {
  const all: unknown[] = Array.isArray(value) ? value : [value];
  if (all.length === 0) return 'names no topic';
  for (const one of all) {
    if (typeof one !== 'string') return `has to be a pattern or several, not ${quote(one)}`;
    const fault = patternFault(one);
    if (fault !== undefined) return `${quote(one)}: ${fault}`;
  }
  return undefined;
};

const CHECKS: ReadonlyMap<string, OptionCheck> = new Map([
  ['dir', aDirectory],
  ['remote', aRemote],
  ['here', busNameFault],
  ['there', busNameFault],
  ['topics', patterns],
  ['onError', aFunction],
  ['onGap', aFunction],
]);

/** @throws BusError `OPTION_INVALID`, with every fault in `details.faults` */
export function parseMirrorOptions(options: MirrorOptions): ParsedMirrorOptions {
  checkOptions('openMirror', options, CHECKS);
  for (const name of ['dir', 'remote', 'here', 'there'] as const) {
    if (options[name] === undefined) throw optionInvalid('openMirror', name, 'is missing');
  }
  const { dir, remote, here, there, topics = '*', onError, onGap } = options;
  if (here === there) throw optionInvalid('openMirror', 'there', `is ${quote(here)}, as here is`);
  return Object.freeze({
    ...{ dir, here, there, onError, onGap },
    topics: typeof topics === 'string' ? [topics] : [...topics],
    open: () => (isBus(remote) ? { remote, close: async () => {} } : connected(remote)),
  });
}

function isBus(value: object): value is RemoteBus {
  return typeof Reflect.get(value, 'subscribe') === 'function';
}

function connected({ url, token }: MirrorServer) {
  const getToken = typeof token === 'string' ? () => token : token;
  const client = connect(url, {
    // A lost connection is told by the calls that fail with it.
    onError: () => {},
    ...(getToken === undefined ? {} : { getToken }),
  });
  return { remote: client, close: () => client.close() };
}
