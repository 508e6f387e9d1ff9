import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Disk } from './disk.js';
import { Ledger } from './ledger.js';
import { changesOf } from './record.js';
import { shimEnvironment } from './shim.js';
import { SubjectProxy } from './subject-proxy.js';

/**
 * The work of a process on a disk that keeps a record: a folder with the disk, the record of its changes, and the marks
 * of the process. It goes to one point of the record after the other; going back begins anew.
 */
const ROUNDS = 14;
const WORK_MS = 600_000;
const ANOTHER_BOOT = '00000000-0000-4000-8000-000000000001\n';

export class Recording {
  #root;
  #disk;
  #ledger;
  #at;

  /** Makes a recording of `call`, one of the calls of `subject.js`. */
  static async make({ library, folder, seed, forgets, call }) {
    const at = join(folder, `recording-${seed}`);
    const root = join(at, 'disk');
    mkdirSync(root, { recursive: true });
    const boot = join(at, 'boot');
    writeFileSync(boot, ANOTHER_BOOT);
    const marks = join(at, 'marks');
    const record = join(at, 'record');
    const env = shimEnvironment({ library, root, marks, record, boot, forgets });
    const subject = new SubjectProxy({ marks, env });
    const options = { dir: join(root, 'data'), seed, rounds: ROUNDS };
    const outcome = await subject.ask(call, options, WORK_MS);
    await subject.end();
    if (!('value' in outcome)) throw new Error(`the work to record: ${JSON.stringify(outcome)}`);
    return new Recording(at);
  }

  /** Reads the recording in `folder`. @throws Error if not all that happened to the disk is in it */
  constructor(folder) {
    this.folder = folder;
    this.changes = [...changesOf(readFileSync(join(folder, 'record')))];
    this.#root = join(folder, 'disk');
    this.#rewind();
    const unrecorded = this.to(this.changes.length).disk.differences();
    if (unrecorded.length > 0) throw new Error(`not all was recorded: ${unrecorded.join(', ')}`);
    this.#rewind();
  }

  /** What the disk and the marks were after the first `end` changes; valid until the next call. */
  to(end) {
    if (end < this.#at) this.#rewind();
    for (const change of this.changes.slice(this.#at, end)) {
      if (change.kind === 'M') this.#ledger.add(change.data.toString());
      else this.#disk.apply(change);
    }
    this.#at = end;
    return { disk: this.#disk, ledger: this.#ledger };
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #rewind() {
    this.#disk = new Disk(this.#root);
    this.#ledger = new Ledger();
    this.#at = 0;
  }
}
