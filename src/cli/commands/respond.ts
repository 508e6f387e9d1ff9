import { spawn } from 'node:child_process';
import { type Command, Option } from 'commander';
import type { Event } from '../../protocol/event.js';
import { ANSWER_BYTES_MAX } from '../../protocol/limits/cli.js';
import { eventText } from '../../protocol/payload-text.js';
import { addServerOptions, applyConfig, type ServerSettings } from '../config.js';
import { CommandFailure, notify } from '../failure.js';
import { ShutdownSignal } from '../shutdown.js';
import { integerFrom } from '../values.js';
import { workingClient } from '../working-client.js';

/**
 * `millrace respond`: answers the questions on a topic by a shell command, until a signal or `--count`. A lost server is
 * waited for.
 */

interface RespondCommandOptions extends ServerSettings {
  exec: string;
  count?: number;
}

export function addRespondCommand(program: Command): void {
  const command = program
    .command('respond')
    .description('answer questions by a command, whose output is the answer')
    .argument('<pattern>', 'the topics whose questions are answered')
    .requiredOption(
      '--exec <command>',
      "a shell command; it gets the question's JSON on stdin, and prints the answer, JSON or text",
    )
    .addOption(new Option('--count <n>', 'end after this many answers').argParser(integerFrom(1)));
  addServerOptions(command);
  command.action(async (pattern: string) => {
    applyConfig(command);
    await respond(pattern, command.opts<RespondCommandOptions>());
  });
}

async function respond(pattern: string, options: RespondCommandOptions): Promise<void> {
  const signal = new ShutdownSignal();
  const client = await workingClient(options);
  const { exec, count = Number.POSITIVE_INFINITY } = options;
  let answered = 0;
  let failed = 0;
  try {
    let onDone = (): void => {};
    const done = new Promise<void>((resolve) => {
      onDone = resolve;
    });
    const responder = client.respond(pattern, async (question, context) => {
      try {
        const answer = await outputOf(exec, question, context.signal);
        answered++;
        return answer;
      } catch (error) {
        failed++;
        throw error;
      } finally {
        if (answered + failed >= count) onDone();
      }
    });
    await responder.ready;
    notify(`answers questions on ${pattern}`);
    await Promise.race([responder.closed, signal.received, done]);
    await responder.stop();
    await responder.closed;
    notify(`${answered} answered, ${failed} failed`);
  } finally {
    await client.close();
    signal.dispose();
  }
}

/** Runs the command; its output as JSON, or else as text. It is told to end (SIGTERM) when nobody waits any more. */
function outputOf(command: string, question: Event, signal: AbortSignal): Promise<unknown> {
  const child = spawn('/bin/sh', ['-c', command], { stdio: ['pipe', 'pipe', 'inherit'] });
  const end = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', end, { once: true });
  // A command that does not read all of its input is as good as any other.
  child.stdin.on('error', () => {});
  child.stdin.end(`${eventText(question)}\n`);
  const chunks: Buffer[] = [];
  let bytes = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= ANSWER_BYTES_MAX) chunks.push(chunk);
    else end();
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, killedBy) => {
      signal.removeEventListener('abort', end);
      const how = killedBy === null ? `exit code ${code}` : `ended by ${killedBy}`;
      if (bytes > ANSWER_BYTES_MAX) {
        reject(new CommandFailure(`the answer is longer than ${ANSWER_BYTES_MAX} bytes`));
      } else if (code === 0) resolve(payloadOf(Buffer.concat(chunks).toString().trimEnd()));
      else reject(new CommandFailure(`the command failed: ${how}`));
    });
  });
}

function payloadOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
