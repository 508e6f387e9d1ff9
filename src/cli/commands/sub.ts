import { type Command, Option } from 'commander';
import type { Event } from '../../protocol/event.js';
import type { RequestPayload, ServerFrame } from '../../protocol/wire.js';
import { addServerOptions, applyConfig, type ServerSettings } from '../config.js';
import { CommandFailure, notify } from '../failure.js';
import { addFilterOptions, type FilterOptions, filterFields, repeated } from '../filter-options.js';
import { type EventFormat, eventFormat, outputDrained, writeLine } from '../output.js';
import { Session } from '../session.js';
import { ShutdownSignal } from '../shutdown.js';
import { type From, integerFrom, parseFrom } from '../values.js';

/** `millrace sub`: prints events as they come, until it has printed enough, gets a signal, or loses the server. */

interface SubOptions extends ServerSettings, FilterOptions {
  from: From;
  count?: number;
  json?: true;
}

const SUBSCRIPTION = 'sub';

export function addSubCommand(program: Command): void {
  const command = program
    .command('sub')
    .description('print the events that match, as they come')
    .argument('<pattern...>', "topics, or patterns: '+' is one segment, a last '*' one or more")
    .addOption(
      new Option(
        '--from <position>',
        'now, earliest, latest, last:N, since:1h, since:TIME or after:CURSOR',
      )
        .default('now')
        .argParser(parseFrom),
    )
    .addOption(new Option('--count <n>', 'end after this many events').argParser(integerFrom(1)))
    .option('--json', 'one event a line, as JSON');
  addFilterOptions(command);
  command.addOption(repeated('--category <category>', 'only events of this category'));
  addServerOptions(command);
  command.action(async (patterns: string[]) => {
    applyConfig(command);
    await subscribe(patterns, command.opts<SubOptions>());
  });
}

async function subscribe(patterns: string[], options: SubOptions): Promise<void> {
  const signal = new ShutdownSignal();
  const session = await Session.open(options);
  try {
    const printer = new EventPrinter(session, eventFormat(options.json === true), options.count);
    await session.request('subscribe', request(patterns, options));
    try {
      await Promise.race([printer.done, session.lost, signal.received]);
    } finally {
      printer.stop();
      if (printer.cursor !== '') notify(`to go on from here: --from after:${printer.cursor}`);
    }
  } finally {
    session.close();
    signal.dispose();
  }
}

function request(topics: string[], options: SubOptions): RequestPayload<'subscribe'> {
  const filter = { topics, ...filterFields(options) };
  return {
    subscription: SUBSCRIPTION,
    filter: options.category === undefined ? filter : { ...filter, categories: options.category },
    from: options.from,
  };
}

/** Prints the subscription's events and notices; reads the socket no faster than stdout is read. */
class EventPrinter {
  /** Resolves when `count` events are printed; rejects when the server ends the subscription. */
  readonly done: Promise<void>;
  /** The cursor behind the last frame whose events are all printed. */
  cursor = '';
  readonly #session: Session;
  readonly #format: EventFormat;
  #left: number;
  #isStopped = false;
  #resolve: () => void = () => {};
  #reject: (error: Error) => void = () => {};

  constructor(session: Session, format: EventFormat, count = Number.POSITIVE_INFINITY) {
    this.#session = session;
    this.#format = format;
    this.#left = count;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.done.catch(() => {});
    session.onFrame((frame) => this.#onFrame(frame));
  }

  stop(): void {
    this.#isStopped = true;
  }

  #onFrame(frame: ServerFrame): void {
    if (this.#isStopped) return;
    switch (frame.type) {
      case 'events':
        this.#print(frame.payload.events, frame.payload.cursor);
        break;
      case 'gap': {
        const { shard, from, to, reason } = frame.payload;
        notify(`events ${from} to ${to} of shard ${shard} are missing: ${reason}`);
        break;
      }
      case 'dropped':
        notify(`${frame.payload.count} events were dropped: this reader was too slow`);
        break;
      case 'ended':
        this.cursor = frame.payload.cursor;
        this.#reject(new CommandFailure(`${frame.payload.message} (${frame.payload.code})`));
        break;
      case 'error':
        this.#reject(new CommandFailure(`${frame.payload.message} (${frame.payload.code})`));
    }
  }

  #print(events: readonly Event[], cursor: string): void {
    const wanted = events.slice(0, this.#left);
    let hasRoom = true;
    for (const event of wanted) hasRoom = writeLine(this.#format(event));
    this.#left -= wanted.length;
    if (wanted.length === events.length) this.cursor = cursor;
    if (this.#left === 0) {
      this.#isStopped = true;
      this.#resolve();
    } else if (!hasRoom) void this.#waitForOutput();
  }

  async #waitForOutput(): Promise<void> {
    this.#session.pause();
    await outputDrained();
    this.#session.resume();
  }
}
