import { BusError } from '../../protocol/errors.js';
import type { Expectation, PublishManyOptions } from '../../protocol/event.js';
import { expectationFault } from '../../protocol/expectation.js';
import { quote } from '../../protocol/quote.js';
import { type Exchange, headerOf } from './exchange.js';

/** The options of a publish, from the query and the headers of its request. */

/** @throws BusError `OPTION_INVALID` */
export function publishOptions({ request, parameters }: Exchange): PublishManyOptions {
  const durability = agreed(
    'durability',
    headerOf(request, 'millrace-durability'),
    parameters.one('durability'),
  );
  const persist = agreed(
    'persist',
    headerOf(request, 'millrace-persist'),
    parameters.one('persist'),
  );
  const options: PublishManyOptions = {};
  if (durability !== undefined) {
    if (durability !== 'synced' && durability !== 'written') {
      throw invalidOption('durability', durability, 'synced or written');
    }
    options.durability = durability;
  }
  if (persist !== undefined) {
    if (persist !== 'true' && persist !== 'false') {
      throw invalidOption('persist', persist, 'true or false');
    }
    options.persist = persist === 'true';
  }
  const atomic = agreed('atomic', headerOf(request, 'millrace-atomic'), parameters.one('atomic'));
  if (atomic !== undefined) {
    if (atomic !== 'true' && atomic !== 'false') {
      throw invalidOption('atomic', atomic, 'true or false');
    }
    options.atomic = atomic === 'true';
  }
  const expect = expectationOf(parameters.all('expect') ?? headerList(request));
  if (expect !== undefined) options.expect = expect;
  const deliverAt = agreed(
    'deliverAt',
    headerOf(request, 'millrace-deliver-at'),
    parameters.one('deliverAt'),
  );
  // The bus checks whether it is a time.
  if (deliverAt !== undefined) options.deliverAt = deliverAt;
  const delayMs = agreed(
    'delayMs',
    headerOf(request, 'millrace-delay-ms'),
    parameters.one('delayMs'),
  );
  if (delayMs !== undefined) options.delayMs = wholeOf(delayMs);
  const ttlMs = agreed('ttlMs', headerOf(request, 'millrace-ttl-ms'), parameters.one('ttlMs'));
  if (ttlMs !== undefined) options.ttlMs = wholeOf(ttlMs);
  return options;
}

/** NaN, which the bus refuses, for a text that is no whole number. */
function wholeOf(text: string): number {
  return /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
}

function headerList(request: Exchange['request']): readonly string[] | undefined {
  return headerOf(request, 'millrace-expect')
    ?.split(',')
    .map((part) => part.trim());
}

/** `none` or `17` for the topic of the body's events; `TOPIC:none` or `TOPIC:17`, also several times, for others. */
function expectationOf(values: readonly string[] | undefined): PublishManyOptions['expect'] {
  if (values === undefined) return undefined;
  const [first] = values;
  if (values.length === 1 && !first!.includes(':')) return oneExpectation(first!);
  const byTopic = values.map((value): [string, Expectation] => {
    const end = value.lastIndexOf(':');
    return [value.slice(0, Math.max(0, end)), oneExpectation(value.slice(end + 1))];
  });
  const topics = new Set(byTopic.map(([topic]) => topic));
  if (topics.size === values.length && !topics.has('')) return Object.fromEntries(byTopic);
  throw invalidOption('expect', values.join(', '), 'one expectation for each topic');
}

function oneExpectation(text: string): Expectation {
  if (text === 'none') return text;
  const sequence = /^\d{1,16}$/.test(text) ? Number(text) : 0;
  const expectation = { sequence };
  if (expectationFault(expectation) === undefined) return expectation;
  throw invalidOption('expect', text, 'none, or the sequence of an event');
}

/** The value of an option from its header or its parameter; both must agree. */
function agreed(
  name: string,
  header: string | undefined,
  parameter: string | undefined,
): string | undefined {
  if (header === undefined || parameter === undefined) return header ?? parameter;
  if (header === parameter) return header;
  const message = `${name} is ${quote(header)} in the header and ${quote(parameter)} in the query`;
  throw new BusError('OPTION_INVALID', message, { details: { path: name } });
}

function invalidOption(name: string, value: string, allowed: string): BusError {
  const message = `${name} is ${quote(value)}, not ${allowed}`;
  return new BusError('OPTION_INVALID', message, { details: { path: name } });
}
