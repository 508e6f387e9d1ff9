import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { elapsedMs } from '../../../src/threads/elapsed.js';
import { until } from '../../bus/support/wait.js';
import { newPrefix } from './support/nats.js';
import { NatsServer, natsServerPath } from './support/server.js';

const NODE = fileURLToPath(new URL('./support/consumer-node.js', import.meta.url));
const JOBS_AT_ONCE = 300;

/** A process that is a node, see `support/consumer-node.js`. */
class Node {
  readonly begun: number[] = [];
  readonly acked: number[] = [];
  /** When each of `acked` was told, ms. */
  readonly ackedAt: number[] = [];
  readonly infos: {
    readonly acked: number;
    readonly pending: number;
    readonly inFlight: number;
  }[] = [];
  #isReady = false;
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#process = child;
    createInterface({ input: child.stdout! }).on('line', (line) => this.#take(line));
  }

  static async start(...args: readonly string[]): Promise<Node> {
    const child = spawn(process.execPath, [NODE, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    const node = new Node(child);
    await until('a node is ready', () => node.#isReady);
    return node;
  }

  tell(order: string): void {
    this.#process.stdin!.write(`${order}\n`);
  }

  async info(): Promise<Node['infos'][number]> {
    const { length } = this.infos;
    this.tell('info');
    await until('a node tells', () => this.infos.length > length);
    return this.infos.at(-1)!;
  }

  /** Resolves when it is dead, and all that it has written is read. */
  async kill(): Promise<void> {
    const closed = once(this.#process, 'close');
    this.#process.kill('SIGKILL');
    await closed;
  }

  async end(): Promise<void> {
    const closed = once(this.#process, 'close');
    this.#process.stdin!.end();
    await closed;
  }

  #take(line: string): void {
    const [what, rest = ''] = line.split(/ (.*)/);
    if (what === 'ready') this.#isReady = true;
    else if (what === 'begun') this.begun.push(Number(rest));
    else if (what === 'info') this.infos.push(JSON.parse(rest));
    else if (what === 'acked') {
      this.acked.push(Number(rest));
      this.ackedAt.push(elapsedMs());
    }
  }
}

describe.runIf(natsServerPath !== undefined)('consumers of three processes on NATS', () => {
  test('have all jobs acknowledged once, though the node that serves them is killed', async () => {
    const server = await NatsServer.start();
    onTestFinished(() => server.dispose());
    const prefix = newPrefix();
    const owner = await Node.start(server.url, prefix);
    const others = [await Node.start(server.url, prefix), await Node.start(server.url, prefix)];
    const nodes = [owner, ...others];
    const doAllWork = (): boolean => nodes.every(({ acked }) => acked.length >= 20);
    let jobs = 0;
    // On a busy machine two nodes may do all before the third one begins.
    while (!doAllWork() && jobs < 10 * JOBS_AT_ONCE) {
      others[0]!.tell(`publish ${jobs} ${JOBS_AT_ONCE}`);
      jobs += JOBS_AT_ONCE;
      const areDone = (): boolean =>
        nodes.reduce((sum, { acked }) => sum + acked.length, 0) === jobs;
      await until('all nodes work, or all jobs are done', () => doAllWork() || areDone());
    }
    expect(doAllWork()).toBe(true);
    const killedAt = elapsedMs();
    await owner.kill();
    others[1]!.tell(`publish ${jobs} ${JOBS_AT_ONCE}`);
    jobs += JOBS_AT_ONCE;
    await until('all are acknowledged', async () => (await others[0]!.info()).acked === jobs);
    expect(await others[1]!.info()).toMatchObject({ acked: jobs, pending: 0, inFlight: 0 });
    await Promise.all(others.map((node) => node.end()));

    const acked = nodes.flatMap((node) => node.acked);
    expect(new Set(acked).size).toBe(acked.length);
    const begun = nodes.flatMap((node) => node.begun);
    expect(new Set(begun).size).toBe(jobs);
    // An ack that the dead node had told is kept by its successor.
    const again = new Set(others.flatMap((node) => node.begun));
    expect(owner.acked.filter((job) => again.has(job))).toEqual([]);
    const after = others.flatMap(({ ackedAt }) => ackedAt).filter((at) => at > killedAt);
    const times = [killedAt, ...after.sort((a, b) => a - b)];
    const pauses = times.slice(1).map((at, n) => at - times[n]!);
    console.log(`the longest pause of acks after the kill: ${Math.round(Math.max(...pauses))} ms`);
  });
});
