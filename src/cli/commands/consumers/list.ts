import type { Command } from 'commander';
import type { ConsumerDefinition, ConsumerInfo, MemberInfo } from '../../../protocol/consumers.js';
import type { ParsedFilter } from '../../../protocol/filter.js';
import { act } from '../../act.js';
import { addServerOptions } from '../../config.js';
import { CommandFailure } from '../../failure.js';
import { printable, writeLine } from '../../output.js';
import type { Session } from '../../session.js';
import { type Cell, exactDuration, formatDuration, formatNumber, tableLines } from '../../table.js';
import type { ConsumerCommandOptions } from './options.js';

/** `millrace consumers list` and `show`. */

export function addListCommands(consumers: Command): void {
  const list = consumers
    .command('list', { isDefault: true })
    .description('list the consumers, and how much they have to do')
    .option('--json', 'one consumer a line, as JSON');
  addServerOptions(list);
  list.action(() => act(list, printList));
  const show = consumers
    .command('show')
    .description('show one consumer: its definition, its members and its place in every shard')
    .argument('<name>', 'the name of the consumer')
    .option('--json', 'everything, as one JSON object');
  addServerOptions(show);
  show.action((name: string) => act(show, (session, options) => printOne(session, name, options)));
}

async function printList(session: Session, { json }: ConsumerCommandOptions): Promise<void> {
  const { consumers = [] } = await session.request('consumers', {});
  if (json === true) for (const one of consumers) writeLine(JSON.stringify(one));
  else for (const line of tableLines(COLUMNS, consumers.map(cellsOf))) writeLine(line);
}

const COLUMNS = [
  'name',
  'state',
  'pending',
  'in flight',
  'waiting',
  'held',
  'dead',
  'members',
  'oldest',
  'filter',
];

function cellsOf(info: ConsumerInfo): Cell[] {
  return [
    info.name,
    stateOf(info),
    info.pending,
    info.inFlight,
    info.waiting,
    info.held,
    info.dead,
    info.members.length,
    ageOf(info),
    filterText(info.definition.filter),
  ];
}

/** The consumer of this name. @throws CommandFailure if there is none */
export async function consumerInfo(session: Session, name: string): Promise<ConsumerInfo> {
  const { consumers = [] } = await session.request('consumers', { names: [name] });
  const [info] = consumers;
  if (info !== undefined) return info;
  throw new CommandFailure(`there is no consumer ${name} (CONSUMER_UNKNOWN)`);
}

async function printOne(
  session: Session,
  name: string,
  { json }: ConsumerCommandOptions,
): Promise<void> {
  const info = await consumerInfo(session, name);
  if (json === true) {
    writeLine(JSON.stringify(info));
    return;
  }
  const facts = [...factsOf(info), ...definitionFacts(info.definition)];
  for (const [label, value] of facts) writeLine(`${label.padEnd(16)} ${printable(value)}`);
  writeLine('');
  for (const line of tableLines(MEMBER_COLUMNS, info.members.map(memberCells))) writeLine(line);
  writeLine('');
  const shards = info.shards.map(({ shard, position, floor, head, lag }) => [
    shard,
    position,
    floor,
    head,
    lag,
  ]);
  for (const line of tableLines(['shard', 'position', 'floor', 'head', 'lag'], shards)) {
    writeLine(line);
  }
}

function factsOf(info: ConsumerInfo): [string, string][] {
  return [
    ['name', info.name],
    ['state', stateOf(info)],
    ...pauseFacts(info),
    ['created', info.createdAt],
    ['pending', formatNumber(info.pending)],
    ['in flight', formatNumber(info.inFlight)],
    ['waiting', formatNumber(info.waiting)],
    ['held', formatNumber(info.held)],
    ['dead', formatNumber(info.dead)],
    ['letters due', formatNumber(info.lettersDue)],
    ['lost', formatNumber(info.lost)],
    ['expired', formatNumber(info.expired)],
    ['oldest', ageOf(info)],
    ['acknowledged', formatNumber(info.acked)],
    ['redelivered', formatNumber(info.redelivered)],
  ];
}

function pauseFacts({ pausedAt, pausedBy }: ConsumerInfo): [string, string][] {
  if (pausedAt === undefined) return [];
  return [['paused', pausedBy === undefined ? pausedAt : `${pausedAt} by ${pausedBy}`]];
}

function definitionFacts(definition: ConsumerDefinition): [string, string][] {
  const { filter, order, priority, deadLetter } = definition;
  return [
    ['filter', filterText(filter)],
    ['order', order],
    ['priority', priority.join(', ') || '-'],
    ['lease', exactDuration(definition.leaseMs)],
    ['attempts', formatNumber(definition.maxAttempts)],
    ['backoff', definition.backoffMs.map(exactDuration).join(', ')],
    ['in flight max', formatNumber(definition.maxInFlight)],
    ['ahead max', formatNumber(definition.maxAhead)],
    ['dead letter', deadLetter ?? '-'],
    ['durability', definition.ackDurability],
  ];
}

const MEMBER_COLUMNS = [
  'member',
  'endpoint',
  'concurrency',
  'in flight',
  'kind',
  'principal',
  'connection',
  'since',
];

function memberCells(member: MemberInfo): Cell[] {
  return [
    member.name ?? '-',
    member.endpoint,
    member.concurrency,
    member.inFlight,
    member.isDetached ? 'detached' : 'attached',
    member.principal ?? '-',
    member.connection ?? '-',
    member.since,
  ];
}

function stateOf({ paused, blocked }: ConsumerInfo): string {
  if (paused) return 'paused';
  if (blocked === undefined) return 'active';
  const { reason, shard, sequence } = blocked;
  const at = sequence === undefined ? `shard ${shard}` : `#${shard}:${sequence}`;
  return `blocked by ${reason} at ${at}`;
}

function ageOf({ oldestAgeMs }: ConsumerInfo): string {
  return oldestAgeMs === null ? '-' : formatDuration(oldestAgeMs);
}

/** `orders.*, type order_created` */
export function filterText(filter: ParsedFilter): string {
  const { topics, types, categories, sources, correlationIds, attributes = {} } = filter;
  const named = [
    ['type', types],
    ['category', categories],
    ['source', sources],
    ['correlation id', correlationIds],
    ...Object.entries(attributes),
  ] as const;
  const parts = named.flatMap(([label, values]) =>
    values === undefined ? [] : [`${label} ${values.join('|')}`],
  );
  return [topics.join(' '), ...parts].join(', ');
}
