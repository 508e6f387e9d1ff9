import { type Command, Option } from 'commander';
import { quote } from '../../protocol/quote.js';
import type { ScheduleInfo, ScheduleOptions } from '../../protocol/schedules.js';
import { act } from '../act.js';
import { bodyText } from '../body.js';
import { addServerOptions, type ServerSettings } from '../config.js';
import { CommandFailure, notify, usageFailure } from '../failure.js';
import { printable, writeLine } from '../output.js';
import type { Session } from '../session.js';
import { exactDuration, tableLines } from '../table.js';
import {
  type Attributes,
  collectAttribute,
  integerFrom,
  parseDuration,
  parseInstant,
  singleValues,
} from '../values.js';

/** `millrace schedules`: lists and changes what a bus publishes again and again. */

interface SchedulesOptions extends ServerSettings {
  json?: true;
}

interface SetOptions extends SchedulesOptions {
  cron?: string;
  timeZone?: string;
  every?: number;
  anchor?: string;
  missed?: NonNullable<ScheduleOptions['missed']>;
  ttl?: number;
  type: string;
  source?: string;
  attribute?: Attributes;
}

interface NextOptions extends SchedulesOptions {
  count?: number;
}

export function addSchedulesCommand(program: Command): void {
  const command = program
    .command('schedules')
    .description('list and change what the bus publishes by cron expressions and intervals');
  const list = command
    .command('list', { isDefault: true })
    .description('list the schedules, and when each is due')
    .option('--json', 'one schedule a line, as JSON');
  addServerOptions(list);
  list.action(() => act(list, printSchedules));
  addSet(command);
  addNext(command);
  for (const [kind, about] of [
    ['pause', 'publish nothing until resume'],
    ['resume', 'go on; due times meanwhile do not come'],
    ['delete', 'delete a schedule'],
  ] as const) {
    const one = command.command(kind).description(about).argument('<name>', 'of the schedule');
    addServerOptions(one);
    one.action((name: string) => act(one, (session) => alter(session, name, kind)));
  }
}

function addSet(command: Command): void {
  const set = command
    .command('set')
    .description('make a schedule, or change the one of this name')
    .argument('<name>', '1 to 40 characters of A-Z a-z 0-9 _ -')
    .argument('<topic>', 'topic of its events')
    .argument('[body]', 'payload, JSON or text; default: null')
    .option('--cron <expression>', "five fields, or six with seconds in front: '0 9 * * 1-5'")
    .option('--time-zone <zone>', 'of --cron, such as Europe/Berlin; default UTC')
    .addOption(
      new Option('--every <duration>', 'instead of --cron: 10s, 5m, 1d').argParser(parseDuration),
    )
    .addOption(
      new Option('--anchor <time>', 'a time from which --every counts').argParser(parseInstant),
    )
    .addOption(
      new Option('--missed <which>', 'which due times come that were missed; default all').choices([
        'all',
        'last',
        'none',
      ]),
    )
    .addOption(
      new Option('--ttl <duration>', 'how long each event lives: 10s, 5m, 1d').argParser(
        parseDuration,
      ),
    )
    .option('--type <type>', 'the event type, without spaces', 'schedule_due')
    .option('--source <source>', 'source of the events; default: that of the server')
    .addOption(
      new Option('--attribute <key=value>', 'attribute of the events; may be repeated').argParser(
        collectAttribute,
      ),
    )
    .option('--json', 'print the schedule as JSON');
  addServerOptions(set);
  set.action((name: string, topic: string, body: string | undefined) =>
    act<SetOptions>(set, (session, options) =>
      setSchedule(session, { name, topic, body }, options),
    ),
  );
}

function addNext(command: Command): void {
  const next = command
    .command('next')
    .description('show the next due times of a schedule')
    .argument('<name>', 'of the schedule')
    .addOption(
      new Option('--count <n>', 'how many, 1 to 1000; default 5').argParser(integerFrom(1, 1000)),
    );
  addServerOptions(next);
  next.action((name: string) =>
    act<NextOptions>(next, async (session, { count }) => {
      const request = { name, ...(count === undefined ? {} : { count }) };
      const { times = [] } = await session.request('nextTimes', request);
      for (const time of times) writeLine(time);
    }),
  );
}

async function printSchedules(session: Session, { json }: SchedulesOptions): Promise<void> {
  const { schedules: all = [] } = await session.request('schedules', {});
  if (json === true) {
    for (const schedule of all) writeLine(JSON.stringify(schedule));
    return;
  }
  const rows = all.map((schedule) => [
    schedule.name,
    rhythmText(schedule),
    schedule.isPaused ? 'paused' : (schedule.nextAt ?? 'never'),
    String(schedule.fired),
    schedule.lastAt ?? '',
    printable(schedule.event.topic),
  ]);
  const header = ['name', 'when', 'next', 'fired', 'last', 'topic'];
  for (const line of tableLines(header, rows)) writeLine(line);
}

function rhythmText({ cron, timeZone, everyMs }: ScheduleInfo): string {
  return cron === undefined ? `every ${exactDuration(everyMs!)}` : `${cron} (${timeZone})`;
}

async function setSchedule(
  session: Session,
  { name, topic, body }: { name: string; topic: string; body: string | undefined },
  options: SetOptions,
): Promise<void> {
  const { cron, timeZone, every, anchor, missed, ttl, type, source, attribute, json } = options;
  if ((cron === undefined) === (every === undefined)) {
    throw usageFailure('give either --cron or --every');
  }
  const schedule: ScheduleOptions = {
    ...(cron === undefined ? {} : { cron }),
    ...(timeZone === undefined ? {} : { timeZone }),
    ...(every === undefined ? {} : { everyMs: every }),
    ...(anchor === undefined ? {} : { anchor }),
    ...(missed === undefined ? {} : { missed }),
    ...(ttl === undefined ? {} : { ttlMs: ttl }),
    event: {
      topic,
      type,
      payload: body === undefined ? null : JSON.parse(bodyText(body, false)),
      ...(source === undefined ? {} : { source }),
      ...(attribute === undefined ? {} : { attributes: singleValues(attribute) }),
    },
  };
  const made = (await session.request('setSchedule', { name, schedule })).schedule!;
  notify(`${name}: ${printable(rhythmText(made))}, next at ${made.nextAt ?? 'never'}`);
  if (json === true) writeLine(JSON.stringify(made));
}

async function alter(
  session: Session,
  name: string,
  kind: 'pause' | 'resume' | 'delete',
): Promise<void> {
  const { schedule, deleted } = await session.request('alterSchedule', { name, kind });
  if (kind === 'delete') {
    if (deleted !== true) throw new CommandFailure(`there is no schedule ${quote(name)}`);
    notify(`deleted ${name}`);
  } else if (schedule?.isPaused === true) notify(`${name} is paused`);
  else notify(`${name}: next at ${schedule?.nextAt ?? 'never'}`);
}
