import { type ChildProcess, spawn } from 'node:child_process';
import type { Delivery } from '../../../protocol/consumers.js';
import { eventText } from '../../../protocol/payload-text.js';

/** One job: a shell command that gets an event's JSON on its standard input, and whose exit code says what became of it. */

/** What becomes of the event. `lost`: its lease ended before the command did. */
export type JobOutcome = 'ack' | 'nak' | 'term' | 'lost';

export interface JobResult {
  readonly outcome: JobOutcome;
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** From `sysexits.h`: try again later, and never again. */
export const EX_TEMPFAIL = 75;
export const EX_DATAERR = 65;

/**
 * Runs the command, and settles the delivery by its exit code: 0 ack, 65 term, any other nak. The command is told to end
 * (SIGTERM) once its lease is lost, as another may have the event then.
 *
 * @param isOutputData whether the command's output goes to standard output, and not to standard error
 */
export async function runJob(
  command: string,
  delivery: Delivery,
  isOutputData: boolean,
): Promise<JobResult> {
  const child = spawn('/bin/sh', ['-c', command], {
    stdio: ['pipe', isOutputData ? 'inherit' : process.stderr, 'inherit'],
    env: {
      ...process.env,
      MILLRACE_LEASE: delivery.lease,
      MILLRACE_ATTEMPT: String(delivery.attempt),
    },
  });
  const onLost = (): void => void child.kill('SIGTERM');
  delivery.signal.addEventListener('abort', onLost, { once: true });
  // A command that does not read all of its input is as good as any other.
  child.stdin!.on('error', () => {});
  child.stdin!.end(`${eventText(delivery.event)}\n`);
  const { exitCode, signal } = await ended(child);
  delivery.signal.removeEventListener('abort', onLost);
  if (delivery.signal.aborted) return { outcome: 'lost', exitCode, signal };
  return { outcome: await settled(delivery, exitCode, signal), exitCode, signal };
}

function ended(child: ChildProcess): Promise<Pick<JobResult, 'exitCode' | 'signal'>> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode, signal) => resolve({ exitCode, signal }));
  });
}

async function settled(
  delivery: Delivery,
  exitCode: number | null,
  signal: NodeJS.Signals | null,
): Promise<JobOutcome> {
  if (exitCode === 0) {
    await delivery.ack();
    return 'ack';
  }
  const reason = signal === null ? `exit code ${exitCode}` : `ended by ${signal}`;
  if (exitCode === EX_DATAERR) {
    await delivery.term(reason);
    return 'term';
  }
  await delivery.nak({ reason });
  return 'nak';
}
