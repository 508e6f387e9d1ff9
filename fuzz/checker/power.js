import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Disk } from '../storage/disk.js';
import { writeImage } from '../storage/power-cut.js';
import { Random } from '../storage/random.js';
import { changesOf } from '../storage/record.js';
import { compileShim, shimEnvironment } from '../storage/shim.js';
import { judge } from './judge.js';
import { openReplay, unreadable } from './replay.js';

/**
 * Cuts the power of a process whose histories are kept, and judges what is on the disk then. The disk keeps a record
 * (`storage/disk.c`), in which each line of a history stands among the writes; what stands before a cut had happened by
 * then. So the judge sees an ack only if its publisher had it before the power went.
 */
const SUBJECT = fileURLToPath(new URL('./power-subject.js', import.meta.url));
const BUILT = fileURLToPath(new URL('../../dist', import.meta.url));
const WORK_MS = 2500;
const IMAGES = 10;
const ANOTHER_BOOT = '00000000-0000-4000-8000-000000000001\n';

/** @returns {Promise<string[]>} the problems of all images */
export async function powerCuts({ seed, folder, dist = BUILT, images = IMAGES }) {
  const { changes, root } = await record({ seed, folder, dist });
  const random = new Random(seed);
  const problems = [];
  for (let n = 0; n < images; n++) {
    const end = 1 + random.below(changes.length);
    const image = join(folder, `image-${n}`);
    const { disk, histories } = until(changes.slice(0, end), root);
    writeImage(disk, image, random);
    problems.push(...(await judgeImage(join(image, 'data'), histories)));
    rmSync(image, { recursive: true, force: true, maxRetries: 5 });
  }
  return problems;
}

async function record({ seed, folder, dist }) {
  const root = join(folder, 'disk');
  mkdirSync(root, { recursive: true });
  const [boot, marks, file] = ['boot', 'marks', 'record'].map((name) => join(folder, name));
  writeFileSync(boot, ANOTHER_BOOT);
  const env = shimEnvironment({
    library: compileShim(folder),
    root,
    marks,
    record: file,
    boot,
  });
  const options = { seed, dist, dir: join(root, 'data'), marks, ms: WORK_MS };
  const child = fork(SUBJECT, [JSON.stringify(options)], {
    env: { ...process.env, ...env },
  });
  const [code, signal] = await once(child, 'exit');
  if (code !== 0) throw new Error(`the work to record ended with ${code ?? signal}`);
  return { changes: [...changesOf(readFileSync(file))], root };
}

/** The disk and the histories as they were after these changes. */
function until(changes, root) {
  const disk = new Disk(root);
  let text = '';
  for (const change of changes) {
    if (change.kind === 'M') text += change.data.toString();
    else disk.apply(change);
  }
  const byName = new Map();
  for (const line of text.split('\n').slice(0, -1)) {
    const [at, name, ...rest] = JSON.parse(line);
    if (!byName.has(name)) byName.set(name, []);
    byName.get(name).push([at, ...rest]);
  }
  const histories = [...byName].map(([name, lines]) => ({
    name,
    lines: () => lines,
  }));
  return { disk, histories };
}

async function judgeImage(dir, histories) {
  let replay;
  try {
    replay = await openReplay(dir, BUILT);
  } catch (error) {
    if (error.code === undefined) throw error;
    return [unreadable(error)];
  }
  const { epoch, heads } = replay;
  const terms = {
    epoch,
    shards: heads.length,
    pruned: [],
    mayEnd: ['closed'],
    losesPower: true,
  };
  try {
    const { problems } = await judge({ histories, replay, terms });
    // The reader has no time to catch up before the power goes.
    return problems.filter((text) => !text.startsWith('C6'));
  } finally {
    await replay.close();
  }
}
