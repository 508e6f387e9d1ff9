import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { callsOf } from './calls.js';
import { Campaign } from './campaign.js';
import { FORKER_FLAGS } from './forker.js';
import { judgeLedger } from './judge-ledger.js';
import { Ledger } from './ledger.js';
import { Random } from './random.js';
import { compileShim, shimEnvironment } from './shim.js';
import { failureOf, SubjectProxy } from './subject-proxy.js';
import { cleanVolumes, Volume } from './volume.js';

/**
 * Cuts the power of a real file system. A process publishes on XFS or ext4, and the file system is shut down under it, so
 * that it keeps what reached its disk: at a call to the disk drawn at random, with or without a flush of the file
 * system's log, and in some cases from outside by `xfs_io`, while a whole bus publishes. Then it is unmounted and
 * mounted again, which recovers its log, and the directory is judged as in `power`.
 */
const KINDS = ['xfs', 'ext4'];
const HOW = ['cut', 'cut', 'cut-flushed', 'shut'];
/** The share of cuts from outside. */
const OUTSIDE = 1 / 10;
const OUTSIDE_MS_MAX = 1500;
const ANOTHER_BOOT = '00000000-0000-4000-8000-000000000002\n';
const CASE_MS = 600_000;

export async function cuts({ count, seed, folder, say, until, forgets }) {
  cleanVolumes();
  const campaign = new Campaign({ name: 'cuts', seed, folder, lanes: 1, say, until });
  const library = compileShim(folder);
  const counting = { library, folder: join(folder, 'calls'), call: 'operateOnLogs' };
  const fault = { kind: 'any', n: 0, how: 'once' };
  const options = (root) => ({ dir: join(root, 'data'), operation: 'mixed', fault, seed: 1 });
  const calls = (await callsOf({ ...counting, options })).begin.length;
  const grounds = [];
  const looker = new SubjectProxy();
  try {
    for (const kind of KINDS) grounds.push(new Ground({ kind, folder, library, forgets }));
    await campaign.run(count, {
      closeLane: () => looker.end(),
      playCase: async (_number, caseSeed, into) => {
        const random = new Random(caseSeed);
        const ground = grounds[random.below(grounds.length)];
        const isOutside = random.chance(OUTSIDE);
        const how = isOutside
          ? { how: 'from outside' }
          : { kind: 'any', n: 1 + random.below(calls), how: random.pick(HOW) };
        const cut = await ground.cut({ how, random, seed: caseSeed, isOutside });
        const { observed, problems } = await ground.judge(looker, cut);
        const { acks } = cut.ledger;
        // A process may end before it comes to the call.
        const isMet = isOutside || cut.ledger.hit !== undefined;
        const injections = isMet ? 1 : 0;
        campaign.tally({ injections, acked: acks.size, recoveryMs: observed?.openMs }, problems);
        if (problems.length > 0) mkdirSync(into, { recursive: true });
        const told = `${ground.kind}, ${how.how} at ${how.n ?? '?'} (${cut.ledger.hit ?? 'no call'})`;
        const isNew = cut.ledger.isOpen && cut.ledger.epoch !== observed?.epoch;
        const verdict = isMet ? `${ground.kind} ${isNew ? 'new epoch' : 'whole'}` : 'not cut';
        return {
          verdict: problems.length > 0 ? problems[0].split(':')[0] : verdict,
          problems: problems.map((text) => `${told}: ${text}`),
        };
      },
    });
  } finally {
    for (const ground of grounds) await ground.remove();
  }
  say(campaign.summary('cuts', { 'acknowledged events in them': campaign.tallied.acked }));
  return campaign;
}

/** A file system with the processes that publish on it. */
class Ground {
  #volume;
  #marks;
  #inside;
  #outside;

  constructor({ kind, folder, library, forgets }) {
    this.kind = kind;
    this.#volume = Volume.make(kind, folder);
    this.#marks = join(folder, `marks-${kind}`);
    const boot = join(folder, 'boot');
    writeFileSync(boot, ANOTHER_BOOT);
    const root = this.#volume.mountPoint;
    const shim = { library, root, marks: this.#marks, boot, forgets, flushes: '1' };
    const env = shimEnvironment(shim);
    this.#inside = new SubjectProxy({ marks: this.#marks, env, flags: FORKER_FLAGS });
    this.#outside = () => new SubjectProxy({ marks: this.#marks, env });
  }

  /** Lets a process publish, cuts the power meanwhile, and mounts again what is left. */
  async cut({ how, random, seed, isOutside }) {
    // A cut may undo the removal of the directory of the case before.
    const dir = join(this.#volume.mountPoint, `data-${seed}`);
    const before = existsSync(this.#marks) ? readFileSync(this.#marks).length : 0;
    const outcome = isOutside
      ? await this.#cutFromOutside(dir, random, seed)
      : await this.#cutAtCall(dir, how, seed);
    const ledger = new Ledger().add(readFileSync(this.#marks).subarray(before).toString());
    // What is left may not be written out any more: that is what the shutdown is for.
    this.#volume.unmount();
    this.#volume.mount();
    return { dir, ledger, outcome };
  }

  async #cutAtCall(dir, fault, seed) {
    const runs = [{ operation: 'mixed', fault, seed }];
    return this.#inside.ask('killOnLogs', { dir, runs }, CASE_MS);
  }

  async #cutFromOutside(dir, random, seed) {
    const subject = this.#outside();
    const working = subject.ask('work', { dir, seed, rounds: 1000 }, CASE_MS);
    // A moment, not a condition: the cut may come at any point, before the first event too.
    await sleep(random.below(OUTSIDE_MS_MAX));
    const flags = random.chance(0.3) ? ' -f' : '';
    const done = spawnSync('xfs_io', ['-x', '-c', `shutdown${flags}`, this.#volume.mountPoint], {
      encoding: 'utf8',
    });
    if (done.status !== 0) throw new Error(`xfs_io: ${done.error ?? done.stderr}`);
    await subject.end();
    await working;
    return { value: null };
  }

  async judge(looker, { dir, ledger, outcome }) {
    const failure = failureOf(outcome, 'while it published');
    if (failure !== undefined) return { problems: [failure] };
    const untyped = ledger.errors.filter((text) => text.includes('UNTYPED'));
    const seen = await looker.ask('observe', { dir, depth: 'logs' }, CASE_MS);
    const unopened = failureOf(seen, 'opened after the cut');
    const observed = seen.value;
    const problems =
      unopened === undefined
        ? judgeLedger(ledger, observed, ({ durability }) => durability === 'synced')
        : [unopened];
    rmSync(dir, { recursive: true, force: true });
    return { observed, problems: [...untyped, ...problems] };
  }

  async remove() {
    await this.#inside.end();
    this.#volume.remove();
  }
}
