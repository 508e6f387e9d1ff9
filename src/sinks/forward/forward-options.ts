import { connect } from '../../client.js';
import type { Consumer } from '../../protocol/consumers.js';
import type { Event } from '../../protocol/event.js';
import { FORWARD_CONCURRENCY, FORWARD_CONCURRENCY_MAX } from '../../protocol/limits/forward.js';
import {
  aFunction,
  checkOptions,
  type OptionCheck,
  oneOf,
  optionInvalid,
  trueOrFalse,
  wholeNumber,
} from '../../protocol/options.js';
import { quote } from '../../protocol/quote.js';
import { topicFault } from '../../protocol/topic.js';
import { aConsumer } from '../consumer-option.js';
import type { SinkOptions } from '../sink.js';
import { SINK_CHECKS, targetOf } from '../sink-life.js';
import { brokerFault, isBrokerUrl, parseBrokerAddress } from './broker-address.js';
import { BusTarget, type TargetBus } from './bus-target.js';
import { busNameFault, type Route } from './hops.js';
import { NatsTarget } from './nats-target.js';
import { RedisTarget } from './redis-target.js';
import type { Target } from './target.js';

/** The options of `forward`, checked once. */

/** A server to connect to, or a stream on a broker that other programs read. */
export interface ForwardConnection {
  /**
   * The server's address, such as `https://events.example`; or `nats://USER@HOST:PORT?subject=NAME`, or
   * `redis://USER@HOST:PORT/DATABASE?stream=NAME`.
   */
  readonly url: string;
  /**
   * A key or token with the grants `publish` and `subscribe` for the topics; of a broker the password, or the token of NATS where the
   * address names no user; or a function that gives one. Default: none.
   */
  readonly token?: string | (() => string | Promise<string>);
}

export interface ForwardOptions<P = unknown> extends SinkOptions {
  /** The consumer whose events are forwarded; its `order` has to be `topic`. */
  consumer: Consumer<P>;
  /** A bus, a client, or a server to connect to. A bus or a client stays open when the sink ends. */
  to: TargetBus | ForwardConnection;
  /** The name of this bus, among those that forward to each other: 1 to 64 characters of `A-Z a-z 0-9 . _ -`. */
  here: string;
  /** The name of the other bus. Events that have come through it do not go back to it. */
  there: string;
  /** Put before each topic, with a dot: with `paris`, `orders.new` becomes `paris.orders.new`. Default: none. */
  prefix?: string;
  /** Instead of `prefix`: the topic on the other bus; `undefined`: the event does not go there. Default: the same topic. */
  topic?: (event: Event<P>) => string | undefined;
  /** Takes a consumer of any order, and promises none. Default false. */
  unordered?: boolean;
  /** How many events are held to be sent together, 1 to 4096. Default 256. */
  concurrency?: number;
  /**
   * Which events are looked up on the other bus first: those that may be there, or `all`. Say `all` where the consumer
   * hands out events again that were forwarded long ago: after a `seek` to an earlier one, or if it was deleted and made
   * again. Default `doubtful`.
   */
  lookUp?: 'doubtful' | 'all';
}

export interface ParsedForwardOptions<P> extends SinkOptions {
  readonly consumer: Consumer<P>;
  readonly route: Route;
  readonly isOrdered: boolean;
  readonly looksUpAll: boolean;
  readonly concurrency: number;
  /** Where to the events go, without credentials. */
  readonly target: string;
  /** Called once, when the sink begins. */
  readonly open: () => Target;
}

const aTarget: OptionCheck = (value) => {
  if (typeof value !== 'object' || value === null) {
    return `has to be a bus, a client or { url, token? }, not ${quote(value)}`;
  }
  if (isBus(value)) return undefined;
  const { url, token, ...others } = value as Record<string, unknown>;
  const [other] = Object.keys(others);
  if (other !== undefined) return `has ${quote(other)}; a server has a url and a token`;
  if (isBrokerUrl(url)) {
    const fault = brokerFault(url);
    if (fault !== undefined) return fault;
  } else if (typeof url !== 'string' || !/^(?:https?|wss?):/.test(url) || !URL.canParse(url)) {
    return 'has no url such as https://events.example';
  }
  const isToken = token === undefined || typeof token === 'function' || typeof token === 'string';
  return isToken ? undefined : 'has a token that is neither text nor a function';
};

const aPrefix: OptionCheck = (value) =>
  typeof value === 'string' ? topicFault(value) : `has to be text, not ${quote(value)}`;

const CHECKS: ReadonlyMap<string, OptionCheck> = new Map([
  ...SINK_CHECKS,
  ['consumer', aConsumer],
  ['to', aTarget],
  ['here', busNameFault],
  ['there', busNameFault],
  ['prefix', aPrefix],
  ['topic', aFunction],
  ['unordered', trueOrFalse],
  ['lookUp', oneOf(['doubtful', 'all'])],
  ['concurrency', wholeNumber(1, FORWARD_CONCURRENCY_MAX)],
]);

/** @throws BusError `OPTION_INVALID`, with every fault in `details.faults` */
export function parseForwardOptions<P>(options: ForwardOptions<P>): ParsedForwardOptions<P> {
  checkOptions('forward', options, CHECKS);
  for (const name of ['consumer', 'to', 'here', 'there'] as const) {
    if (options[name] === undefined) throw optionInvalid('forward', name, 'is missing');
  }
  const { consumer, to, here, there, prefix, topic, unordered = false } = options;
  if (here === there) throw optionInvalid('forward', 'there', `is ${quote(here)}, as here is`);
  if (prefix !== undefined && topic !== undefined) {
    throw optionInvalid('forward', 'prefix', 'goes instead of topic, and both are there');
  }
  const { concurrency = FORWARD_CONCURRENCY, lookUp = 'doubtful', name, signal, onError } = options;
  const prefixed = ({ topic: own }: Event): string =>
    prefix === undefined ? own : `${prefix}.${own}`;
  return Object.freeze({
    ...(name === undefined ? {} : { name }),
    ...(signal === undefined ? {} : { signal }),
    ...(onError === undefined ? {} : { onError }),
    ...{ consumer, concurrency, isOrdered: !unordered, looksUpAll: lookUp === 'all' },
    // The function gets the events of its consumer, whatever it calls their payloads.
    route: { here, there, topicOf: (topic as Route['topicOf'] | undefined) ?? prefixed },
    target: isBus(to) ? there : targetOf(to.url),
    open: () => (isBus(to) ? new BusTarget(to) : connected(to)),
  });
}

function isBus(value: object): value is TargetBus {
  return typeof Reflect.get(value, 'publishMany') === 'function';
}

function connected({ url, token }: ForwardConnection): Target {
  if (isBrokerUrl(url)) {
    const address = parseBrokerAddress(url);
    const secret = async () => (typeof token === 'function' ? token() : token);
    return address.broker === 'nats'
      ? new NatsTarget(address, secret)
      : new RedisTarget(address, secret);
  }
  const getToken = typeof token === 'string' ? () => token : token;
  const client = connect(url, {
    // A lost connection is told by the calls that fail with it.
    onError: () => {},
    ...(getToken === undefined ? {} : { getToken }),
  });
  return new BusTarget(client, () => client.close());
}
