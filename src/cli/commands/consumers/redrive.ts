import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import type { RedriveResult } from '../../../protocol/consumers.js';
import { act } from '../../act.js';
import { addServerOptions } from '../../config.js';
import { CommandFailure, notify, usageFailure } from '../../failure.js';
import { repeated } from '../../filter-options.js';
import { printable } from '../../output.js';
import type { Session } from '../../session.js';
import { formatNumber } from '../../table.js';
import type { ConsumerCommandOptions } from './options.js';
import { printDead } from './pages.js';

/**
 * `millrace consumers redrive`: makes dead events open again. It shows first what would come again, and does it after a
 * person has agreed, or with `--yes`.
 */

interface RedriveCommandOptions extends ConsumerCommandOptions {
  id?: string[];
  dryRun?: true;
  yes?: true;
}

export function addRedriveCommand(consumers: Command): void {
  const command = consumers
    .command('redrive')
    .description('make dead events open again; shows them first')
    .argument('<name>', 'the name of the consumer')
    .addOption(repeated('--id <id>', 'only the dead event with this id'))
    .option('--dry-run', 'show what would come again, and do nothing')
    .option('--yes', 'ask nobody')
    .option('--json', 'one event a line, as JSON');
  addServerOptions(command);
  command.action((name: string) =>
    act<RedriveCommandOptions>(command, (session, options) => redrive(session, name, options)),
  );
}

async function redrive(
  session: Session,
  name: string,
  options: RedriveCommandOptions,
): Promise<void> {
  const { id: ids, dryRun, yes } = options;
  const request = ids === undefined ? { name } : { name, ids };
  if (yes !== true || dryRun === true) {
    const planned = resultOf(
      await session.requestWithoutTimeout('redrive', { ...request, dryRun: true }),
    );
    if (dryRun === true || planned.redriven.length === 0) {
      await report(planned, 'would come again', options);
      return;
    }
    // The data of this command is what came again, so the plan is a person's.
    for (const { id, topic, reason } of planned.redriven.slice(0, SHOWN_MAX)) {
      notify(printable(`${id} on ${topic}: ${reason}`));
    }
    const count = formatNumber(planned.redriven.length);
    notify(`${count} dead events of ${name} would come again`);
    await confirm();
  }
  await report(
    resultOf(await session.requestWithoutTimeout('redrive', request)),
    'come again',
    options,
  );
}

/** How many events of a plan are shown. */
const SHOWN_MAX = 20;

/** @throws CommandFailure unless a person at a terminal agrees */
async function confirm(): Promise<void> {
  if (!process.stdin.isTTY) throw usageFailure('nothing was done: say --yes, or --dry-run to look');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    // Ctrl+D and Ctrl+C reject the question, and are no yes.
    const answer = await terminal.question('Go on? [y/N] ').catch(() => 'no');
    if (!/^y(es)?$/i.test(answer.trim())) throw new CommandFailure('nothing was done');
  } finally {
    terminal.close();
  }
}

async function report(
  { redriven, unknown, isComplete }: RedriveResult,
  what: string,
  options: RedriveCommandOptions,
): Promise<void> {
  await printDead({ events: redriven, hasMore: false }, options);
  notify(`${formatNumber(redriven.length)} events ${what}`);
  if (unknown.length > 0) throw new CommandFailure(`of no dead event: ${unknown.join(', ')}`);
  if (isComplete) return;
  throw new CommandFailure('too many redriven events are open: do it again for the others, later');
}

function resultOf(answer: Partial<RedriveResult>): RedriveResult {
  const { redriven = [], unknown = [], isComplete = true } = answer;
  return { redriven, unknown, isComplete };
}
