import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Campaign } from './campaign.js';
import { judgeLedger } from './judge-ledger.js';
import { Ledger } from './ledger.js';
import { Random } from './random.js';
import { failureOf, SubjectProxy } from './subject-proxy.js';
import { cleanVolumes, Volume } from './volume.js';

/**
 * Fills real file systems: one in memory, and btrfs, which copies what it overwrites. A bus publishes until the disk is
 * full, and is refused with `STORE_FULL`. Then a file of somebody else is removed, and the bus has to go on by itself.
 * Afterwards every acknowledged event must be there and no refused one. On btrfs the system may end the process with SIGBUS
 * (GUARANTEES, promise 2): that is told, and all that was acknowledged must be there then too.
 */
const MIB = 2 ** 20;
const KINDS = { tmpfs: 24 * MIB, btrfs: undefined };
const BALLAST_BYTES = 8 * MIB;
const CASE_MS = 300_000;

export async function full({ count, seed, folder, say, until, spoil = (observed) => observed }) {
  cleanVolumes();
  const campaign = new Campaign({ name: 'full', seed, folder, lanes: 1, say, until });
  const looker = new SubjectProxy();
  await campaign.run(count, {
    closeLane: () => looker.end(),
    playCase: async (_number, caseSeed, into) => {
      mkdirSync(into, { recursive: true });
      const kind = new Random(caseSeed).pick(Object.keys(KINDS));
      const volume = Volume.make(kind, into, KINDS[kind]);
      try {
        const { problems, ledger, openMs, isEnded } = await fill({
          kind,
          volume,
          into,
          seed: caseSeed,
          looker,
          spoil,
        });
        const acked = ledger.acks.size;
        campaign.tally({ injections: ledger.refusals.size, acked, recoveryMs: openMs }, problems);
        const told = problems.map((text) => `${kind}: ${text}`);
        const usual = isEnded ? `${kind}, ended by SIGBUS` : kind;
        return { verdict: problems.length > 0 ? problems[0].split(':')[0] : usual, problems: told };
      } finally {
        volume.remove();
      }
    },
  });
  say(campaign.summary('full disks', { refusals: campaign.tallied.injections }));
  return campaign;
}

async function fill({ kind, volume, into, seed, looker, spoil }) {
  const dir = join(volume.mountPoint, 'data');
  const ballast = join(volume.mountPoint, 'ballast');
  writeFileSync(ballast, new Uint8Array(BALLAST_BYTES));
  const marks = join(into, 'marks');
  const subject = new SubjectProxy({ marks });
  const outcome = await subject.ask('fillUp', { dir, ballast, seed }, CASE_MS);
  await subject.end();
  const ledger = new Ledger().add(readFileSync(marks).toString());
  const isEnded = kind === 'btrfs' && outcome.died?.startsWith('SIGBUS');
  const problems = isEnded ? [] : problemsOf(outcome, ledger);
  if (problems.length > 0) return { problems, ledger };
  // What is left is opened with some room, as people do who come to look.
  rmSync(ballast, { force: true });
  const seen = await looker.ask('observe', { dir, depth: 'logs' }, CASE_MS);
  const failure = failureOf(seen, 'opened afterwards');
  if (failure !== undefined) return { problems: [failure], ledger };
  const judged = judgeLedger(ledger, spoil(seen.value), () => true);
  return { problems: judged, ledger, openMs: seen.value.openMs, isEnded };
}

function problemsOf(outcome, ledger) {
  const failure = failureOf(outcome, 'while the disk was full');
  if (failure !== undefined) return [failure];
  const codes = new Set(ledger.refusals.values());
  const problems = [...codes]
    .filter((code) => code !== 'STORE_FULL')
    .map((code) => `refused with ${code}, and not for want of room`);
  if (codes.size === 0) problems.push('the disk was never full');
  if (outcome.value.acksAfter === 0) problems.push('it did not go on when there was room');
  return problems;
}
