import type { Settled, Settling } from '../../endpoint/internals.js';
import type { WireOutcome, WireSettlement } from '../../protocol/consumer-frames.js';
import type { PullOptions, RedriveOptions } from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import { SETTLEMENTS_PER_REQUEST_MAX } from '../../protocol/limits/consumers.js';
import { quote } from '../../protocol/quote.js';
import type { Alteration } from '../consumers/consumer-changes.js';
import type { GatewayConsumers, PageKind } from '../consumers/gateway-consumers.js';
import type { DoorContext, OpenDoor } from '../door.js';
import { errorData } from '../error-data.js';
import { singly } from '../pages.js';
import { ackAndPublish } from './ack-and-publish.js';
import { checkHead } from './check-head.js';
import { type Exchange, headerOf, JSON_TYPE, NDJSON_TYPE, sendJson } from './exchange.js';
import { objectBody } from './json-body.js';
import { sendList } from './list-answer.js';
import { negotiate } from './media-types.js';

/** Durable consumers over HTTP: a worker in any language pulls events, and settles their leases. */
export const openConsumersDoor: OpenDoor = (context) => ({
  routes: [
    {
      method: 'GET',
      path: '/v1/consumers',
      handle: (exchange) => list(exchange, context),
      listing: { about: 'the durable consumers, and how far each is', isLink: true },
    },
    {
      method: 'GET',
      path: '/v1/consumers/:name',
      handle: (exchange) => info(exchange, context.consumers),
      listing: { about: 'one consumer' },
    },
    {
      method: 'DELETE',
      path: '/v1/consumers/:name',
      handle: (exchange) => alter(exchange, 'delete', context.consumers),
      listing: { about: 'deletes a consumer' },
    },
    {
      method: 'PUT',
      path: '/v1/consumers/:name',
      handle: (exchange) => make(exchange, context.consumers),
      listing: { about: 'makes a durable consumer, or opens it' },
    },
    {
      method: 'POST',
      path: '/v1/consumers/:name/pull',
      handle: (exchange) => pull(exchange, context),
      listing: { about: 'takes events of a consumer' },
    },
    ...KINDS.map((kind) => ({
      method: 'POST' as const,
      path: `/v1/consumers/:name/${kind}`,
      handle: (exchange: Exchange) => settle(exchange, kind, context),
    })),
    {
      method: 'POST',
      path: '/v1/consumers/:name/seek-preview',
      handle: (exchange) => seekPreview(exchange, context.consumers),
    },
    ...ALTERATIONS.map((kind) => ({
      method: 'POST' as const,
      path: `/v1/consumers/:name/${kind}`,
      handle: (exchange: Exchange) => alter(exchange, kind, context.consumers),
    })),
    {
      method: 'POST',
      path: '/v1/consumers/:name/redrive',
      handle: (exchange) => redrive(exchange, context.consumers),
    },
    ...Object.entries(PAGES).map(([segment, kind]) => ({
      method: 'GET' as const,
      path: `/v1/consumers/:name/${segment}`,
      handle: (exchange: Exchange) => page(exchange, kind, context.consumers),
    })),
  ],
});

const KINDS = ['ack', 'nak', 'term', 'working'] as const;
const ALTERATIONS = ['pause', 'resume', 'seek', 'skip'] as const;
/** The last segments of the paths of lists. */
const PAGES = { open: 'open', 'held-keys': 'heldKeys', dead: 'dead' } as const satisfies Readonly<
  Record<string, PageKind>
>;

type Kind = (typeof KINDS)[number];

/** The fields of the bodies of settlements, besides the leases. */
const FIELDS: Readonly<Record<Kind, readonly (keyof Settling | 'count')[]>> = {
  ack: ['durability'],
  nak: ['delayMs', 'reason', 'count'],
  term: ['reason'],
  working: [],
};

async function list(exchange: Exchange, context: DoorContext): Promise<void> {
  const { request, parameters, budget, rates } = exchange;
  const type = negotiate(headerOf(request, 'accept'), [JSON_TYPE, NDJSON_TYPE]);
  parameters.assertKnown([]);
  rates.query();
  await budget.query(async (turns) => {
    const pages = singly(context.consumers.list(exchange, undefined, turns));
    await sendList(exchange, context, { pages, textOf: JSON.stringify }, { type });
  });
}

async function info(exchange: Exchange, consumers: GatewayConsumers): Promise<void> {
  checkHead(exchange);
  sendJson(exchange.response, 200, await consumers.info(exchange, exchange.segments.name!));
}

async function page(
  exchange: Exchange,
  kind: PageKind,
  consumers: GatewayConsumers,
): Promise<void> {
  checkHead(exchange, ['after', 'limit']);
  const { response, segments, parameters } = exchange;
  const after = parameters.one('after');
  const limit = parameters.count('limit');
  const options = {
    ...(after === undefined ? {} : { after }),
    ...(limit === undefined ? {} : { limit }),
  };
  sendJson(response, 200, await consumers.page(exchange, kind, segments.name!, options));
}

async function alter(
  exchange: Exchange,
  kind: Alteration['kind'],
  consumers: GatewayConsumers,
): Promise<void> {
  checkHead(exchange);
  const { response, segments } = exchange;
  await objectBody(exchange, (body) => {
    assertFields(kind, body, CHANGES[kind]);
    return consumers.alter(exchange, segments.name!, { ...body, kind } as Alteration);
  });
  response.writeHead(204);
  response.end();
}

async function seekPreview(exchange: Exchange, consumers: GatewayConsumers): Promise<void> {
  checkHead(exchange);
  const { response, segments } = exchange;
  const preview = await objectBody(exchange, (body) => {
    assertFields('seek-preview', body, CHANGES.seek);
    return consumers.seekPreview(exchange, segments.name!, body.from);
  });
  sendJson(response, 200, preview);
}

async function redrive(exchange: Exchange, consumers: GatewayConsumers): Promise<void> {
  checkHead(exchange);
  const { response, segments } = exchange;
  const result = await objectBody(exchange, (body) =>
    consumers.redrive(exchange, segments.name!, body as RedriveOptions),
  );
  sendJson(response, 200, result);
}

/** The fields of the bodies of changes. */
const CHANGES: Readonly<Record<Alteration['kind'], readonly string[]>> = {
  pause: [],
  resume: [],
  delete: [],
  seek: ['from'],
  skip: ['shard', 'sequence'],
};

/** @throws BusError `MESSAGE_INVALID` */
function assertFields(what: string, body: object, known: readonly string[]): void {
  for (const [field, value] of Object.entries(body)) {
    if (known.includes(field)) continue;
    throw malformed(field, `${quote(field)} is no field of ${what}: ${quote(value)}`);
  }
}

async function make(exchange: Exchange, consumers: GatewayConsumers): Promise<void> {
  checkHead(exchange, ['update']);
  const { response, segments, parameters } = exchange;
  const update = parameters.flag('update');
  const { consumer, isNew } = await objectBody(exchange, (body) => {
    const options = update === undefined ? body : { ...body, update };
    return consumers.make(exchange, segments.name!, options);
  });
  sendJson(response, isNew ? 201 : 200, consumer);
}

async function pull(exchange: Exchange, context: DoorContext): Promise<void> {
  checkHead(exchange);
  const { response, segments, principal } = exchange;
  const options = await objectBody(exchange, async (body) => body as PullOptions);
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  // A server that stops does not wait for events that may never come.
  const signal = AbortSignal.any([gone.signal, context.closing]);
  const texts = context.texts.of(principal);
  const { leases } = context.consumers;
  await leases.pull(exchange, segments.name!, options, signal, async (deliveries) => {
    const textOf = ({ lease, attempt, leaseMs, event }: (typeof deliveries)[number]): string =>
      `{"lease":${JSON.stringify(lease)},"attempt":${attempt},"leaseMs":${leaseMs},"event":${texts.of(event).text}}`;
    await sendList(exchange, context, { pages: [deliveries], textOf }, { type: JSON_TYPE });
    if (response.destroyed && !response.writableFinished) {
      throw new BusError('ABORTED', 'the client has gone before it had its answer');
    }
  });
}

async function settle(exchange: Exchange, kind: Kind, context: DoorContext): Promise<void> {
  checkHead(exchange);
  const { consumers } = context;
  const { response, segments } = exchange;
  const parsed = await objectBody(exchange, async (body, text) => {
    if (kind !== 'ack' || body.publish === undefined) return parse(kind, body);
    await ackAndPublish(exchange, body, text, context);
    return undefined;
  });
  if (parsed === undefined) return;
  const { settlements, isOne } = parsed;
  const results = await consumers.leases.settle(exchange, settlements, segments.name!);
  const [first] = results;
  if (isOne && first instanceof Error) throw first;
  sendJson(response, 200, { results: results.map(resultOf) });
}

function resultOf(result: Settled | Error): WireOutcome {
  if (!(result instanceof Error)) return result;
  const { code, message } = errorData(result);
  return { code, message };
}

/** @throws BusError `MESSAGE_INVALID` */
function parse(
  kind: Kind,
  body: Readonly<Record<string, unknown>>,
): { readonly settlements: readonly WireSettlement[]; readonly isOne: boolean } {
  const { lease, leases, ...rest } = body;
  assertFields(kind, rest, FIELDS[kind]);
  if ((lease === undefined) === (leases === undefined)) {
    throw malformed('lease', 'the body has to hold either a lease or leases');
  }
  const all = lease === undefined ? leases : [lease];
  if (!Array.isArray(all) || all.length === 0 || !all.every((one) => typeof one === 'string')) {
    throw malformed('leases', 'leases are not an array of texts, or there are none');
  }
  if (all.length > SETTLEMENTS_PER_REQUEST_MAX) {
    const message = `${all.length} leases are more than ${SETTLEMENTS_PER_REQUEST_MAX}, which is the limit`;
    throw malformed('leases', message);
  }
  const { count, ...fields } = rest;
  if (count !== undefined && count !== false) {
    throw malformed('count', `count is ${quote(count)}, and may be false alone`);
  }
  const what = count === false ? 'handBack' : kind;
  const settlements = all.map((one: string) => ({ ...fields, lease: one, kind: what }));
  return { settlements: settlements as WireSettlement[], isOne: lease !== undefined };
}

function malformed(path: string, message: string): BusError {
  return new BusError('MESSAGE_INVALID', message, { details: { path } });
}
