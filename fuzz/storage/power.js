import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Campaign } from './campaign.js';
import { Disk } from './disk.js';
import { judgeLedger } from './judge-ledger.js';
import { Ledger } from './ledger.js';
import { writeImage } from './power-cut.js';
import { Random } from './random.js';
import { changesOf } from './record.js';
import { compileShim, shimEnvironment } from './shim.js';
import { failureOf, SubjectProxy } from './subject-proxy.js';

/**
 * Cuts the power. A process works on a disk that keeps a record (`disk.c`). Images are made of the states that the disk
 * may have at any point of the record (`power-cut.js`), as on a machine that has booted since. Each image is opened and
 * compared with what the process had reported by then. No event acknowledged as synced may be missing, and if any event
 * that was acknowledged or seen is, the epoch must be new.
 */
const IMAGES_PER_RECORD = 50;
const ROUNDS = 14;
const WORK_MS = 120_000;
const CASE_MS = 120_000;
const ANOTHER_BOOT = '00000000-0000-4000-8000-000000000001\n';

/** As `power`, of a process whose payloads mostly lie in files. */
export function payloads(options) {
  return power({ ...options, name: 'payloads', call: 'workOnPayloads' });
}

export async function power({
  count,
  seed,
  folder,
  say,
  recording,
  forgets,
  name = 'power',
  call = 'work',
}) {
  const campaign = new Campaign({ name, seed, folder, lanes: 1, say });
  const library = recording === undefined ? compileShim(folder) : undefined;
  const totals = { acks: 0, images: 0 };
  const subject = new SubjectProxy();
  let kept;
  await campaign.run(count, {
    closeLane: () => subject.end(),
    playCase: async (number, caseSeed, into) => {
      if (number % IMAGES_PER_RECORD === 0) {
        const from =
          recording ?? (await record({ library, folder, seed: caseSeed, forgets, call }));
        kept = readRecord(from);
      }
      const again = `--recording ${kept.folder}`;
      const { image, how, ledger } = cut(kept, into, new Random(caseSeed));
      totals.acks += ledger.acks.size;
      const outcome = await subject.ask(
        'observe',
        { dir: join(image, 'data'), depth: 'logs' },
        CASE_MS,
      );
      const judged = judgeImage(ledger, outcome);
      return { ...judged, problems: judged.problems.map((text) => `${how}: ${text}`), again };
    },
  });
  say(campaign.summary('images', { 'acknowledged events in them': totals.acks }));
  return campaign;
}

/** Makes a recording: a folder with the disk, the record of its changes, and the marks of the process. */
async function record({ library, folder, seed, forgets, call }) {
  const at = join(folder, `recording-${seed}`);
  const root = join(at, 'disk');
  mkdirSync(root, { recursive: true });
  const boot = join(at, 'boot');
  writeFileSync(boot, ANOTHER_BOOT);
  const marks = join(at, 'marks');
  const env = shimEnvironment({ library, root, marks, record: join(at, 'record'), boot, forgets });
  const subject = new SubjectProxy({ marks, env });
  const outcome = await subject.ask(
    call,
    { dir: join(root, 'data'), seed, rounds: ROUNDS },
    WORK_MS,
  );
  await subject.end();
  if (!('value' in outcome)) throw new Error(`the work to record: ${JSON.stringify(outcome)}`);
  return at;
}

function readRecord(folder) {
  const changes = [...changesOf(readFileSync(join(folder, 'record')))];
  const root = join(folder, 'disk');
  const whole = new Disk(root);
  for (const change of changes) whole.apply(change);
  const unrecorded = whole.differences();
  if (unrecorded.length > 0) throw new Error(`not all was recorded: ${unrecorded.join(', ')}`);
  return { folder, changes, root };
}

/** Cuts the power at a random point of the record. */
function cut({ changes, root }, into, random) {
  const disk = new Disk(root);
  const ledger = new Ledger();
  const end = 1 + random.below(changes.length);
  for (const change of changes.slice(0, end)) {
    if (change.kind === 'M') ledger.add(change.data.toString());
    else disk.apply(change);
  }
  const image = join(into, 'image');
  const how = `cut after ${end} of ${changes.length} changes, ${writeImage(disk, image, random)}`;
  return { image, how, ledger };
}

function judgeImage(ledger, outcome) {
  const failure = failureOf(outcome, 'opened');
  if (failure !== undefined) return { verdict: failure.split(':')[0], problems: [failure] };
  const observed = outcome.value;
  const problems = judgeLedger(ledger, observed, ({ durability }) => durability === 'synced');
  if (problems.length > 0) return { verdict: problems[0].split(':')[0], problems };
  const isCut = ledger.isOpen && ledger.epoch !== observed.epoch;
  return { verdict: isCut ? 'new epoch' : 'whole', problems };
}
