import { type Command, Option } from 'commander';
import type { Delivery, Run } from '../../../protocol/consumers.js';
import { BusError } from '../../../protocol/errors.js';
import { CONSUMER_CONCURRENCY_MAX } from '../../../protocol/limits/consumers.js';
import { messageOf } from '../../../protocol/thrown.js';
import { addServerOptions, applyConfig } from '../../config.js';
import { notify } from '../../failure.js';
import { writeLine } from '../../output.js';
import { ShutdownSignal } from '../../shutdown.js';
import { integerFrom } from '../../values.js';
import { workingClient } from '../../working-client.js';
import { type JobOutcome, runJob } from './job.js';
import type { ConsumerCommandOptions } from './options.js';

/**
 * `millrace consumers work`: runs a shell command for each event of a consumer, until a signal or `--count`. A lost
 * server is waited for, and the work goes on with it.
 */

interface WorkOptions extends ConsumerCommandOptions {
  exec: string;
  concurrency: number;
  count?: number;
  name?: string;
}

export function addWorkCommand(consumers: Command): void {
  const command = consumers
    .command('work')
    .description(
      'run a command for each event; its exit code says what became of it: 0 done, 65 never again, others again',
    )
    .argument('<name>', 'the name of the consumer')
    .requiredOption('--exec <command>', "a shell command; it gets the event's JSON on stdin")
    .addOption(
      new Option('--concurrency <n>', 'how many commands run at once')
        .default(1)
        .argParser(integerFrom(1, CONSUMER_CONCURRENCY_MAX)),
    )
    .addOption(new Option('--count <n>', 'end after this many commands').argParser(integerFrom(1)))
    .option('--name <name>', "shown among the consumer's members")
    .option('--json', 'one outcome a line, as JSON; the output of the commands goes to stderr');
  addServerOptions(command);
  command.action(async (name: string) => {
    applyConfig(command);
    await work(name, command.opts<WorkOptions>());
  });
}

async function work(consumer: string, options: WorkOptions): Promise<void> {
  const signal = new ShutdownSignal();
  const client = await workingClient(options);
  try {
    const opened = await client.consumer(consumer);
    const worker = new Worker(options);
    const { concurrency, name, count } = options;
    const run = opened.run((delivery) => worker.handle(delivery), {
      concurrency,
      // With a limit, nothing is leased that will not be begun.
      ...(count === undefined ? {} : { prefetch: false }),
      ...(name === undefined ? {} : { name }),
    });
    await Promise.race([run.closed, signal.received, worker.done]);
    await end(run);
    await client.drain();
    notify(worker.summary());
  } finally {
    await client.close();
    signal.dispose();
  }
}

/** Hands back what no command has begun, and waits for the commands that run. */
async function end(run: Run): Promise<void> {
  await run.stop();
  await run.closed;
}

/** Runs the commands, and counts what became of the events. */
class Worker {
  /** Resolves when as many commands have ended as were wanted. */
  readonly done: Promise<void>;
  readonly #options: WorkOptions;
  readonly #counts: Record<JobOutcome, number> = { ack: 0, nak: 0, term: 0, lost: 0 };
  #begun = 0;
  #ended = 0;
  #onDone: () => void = () => {};

  constructor(options: WorkOptions) {
    this.#options = options;
    this.done = new Promise((resolve) => {
      this.#onDone = resolve;
    });
  }

  async handle(delivery: Delivery): Promise<void> {
    const { count = Number.POSITIVE_INFINITY } = this.#options;
    if (this.#begun >= count) {
      await delivery.nak({ count: false });
      return;
    }
    this.#begun++;
    await this.#work(delivery);
    this.#ended++;
    if (this.#ended >= count) this.#onDone();
  }

  summary(): string {
    const { ack, nak, term, lost } = this.#counts;
    return `${ack} done, ${nak} to come again, ${term} dead, ${lost} lost`;
  }

  async #work(delivery: Delivery): Promise<void> {
    const { exec, json } = this.#options;
    const { id, topic } = delivery.event;
    const job = { id, topic, attempt: delivery.attempt, lease: delivery.lease };
    try {
      const result = await runJob(exec, delivery, json !== true);
      this.#counts[result.outcome]++;
      if (json === true) writeLine(JSON.stringify({ ...job, ...result }));
      else if (result.outcome === 'lost')
        notify(`the lease of ${id} was lost before its command ended`);
    } catch (error) {
      this.#counts.lost++;
      const code = error instanceof BusError ? ` (${error.code})` : '';
      notify(`${id}: ${messageOf(error)}${code}`);
      if (json === true)
        writeLine(JSON.stringify({ ...job, outcome: 'lost', error: messageOf(error) }));
    }
  }
}
