import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, stat, truncate } from 'node:fs/promises';
import type { Event } from '../../protocol/event.js';
import { codeOf } from '../../protocol/thrown.js';
import { KnownEvents } from './known-events.js';
import { type FileHead, makeLine, NO_HASH } from './line.js';
import { broken, readTrailEnd, type TrailEnd } from './read-trail.js';
import type { Seal } from './seal.js';
import { syncDirectory, trailFile } from './trail-files.js';
import { type IsHeld, withTrailLock } from './trail-lock.js';

/**
 * A trail that is written to. `append` returns once its events are flushed, each once. If anything fails, or another
 * process has written meanwhile, the trail is read again from the disk before the next batch, so what this one knows is
 * never older than the files. One sink has it; one call at a time.
 */

export interface TrailOptions {
  readonly dir: string;
  readonly consumer: string;
  readonly seal: Seal | undefined;
  readonly rotateBytes: number;
  /** `Infinity`: never. */
  readonly rotateMs: number;
}

export interface Entry {
  readonly event: Event;
  /** The event as JSON. */
  readonly text: string;
}

export interface TrailHead {
  /** The last line's number, and its hash: an anchor, by which a trail that lost its end is found. */
  readonly line: number;
  readonly hash: string;
  readonly file: string;
}

interface Open {
  readonly handle: FileHandle;
  readonly trail: string;
  readonly number: number;
  readonly path: string;
  readonly key: string | undefined;
  readonly begunAt: number;
  readonly known: KnownEvents;
  /** What is flushed, and where an append that is under way will end. */
  size: number;
  willEnd: number;
  line: number;
  hash: string;
}

export class Trail {
  readonly #options: TrailOptions;
  #open: Open | undefined;
  /** Bytes that may not be flushed, and that could not be cut off yet. */
  #uncut: Pick<Open, 'path' | 'size' | 'willEnd'> | undefined;
  #isHeld: IsHeld = async () => true;
  #head: TrailHead | undefined;

  constructor(options: TrailOptions) {
    this.#options = options;
  }

  /** The last line that this trail knows to be flushed; `undefined` before `append` or `open`. */
  get head(): TrailHead | undefined {
    return this.#head;
  }

  /** Opens the trail, or begins it. @throws BusError `AUDIT_BROKEN`, `LIMIT_EXCEEDED`; any error of the file system */
  async open(): Promise<void> {
    await this.append([]);
  }

  /**
   * Writes and flushes those of the entries whose events the trail does not have.
   *
   * @returns how many were written
   * @throws as `open`; the trail is then as it was before, except for lines that are not flushed and are cut off
   */
  async append(entries: readonly Entry[]): Promise<number> {
    const { dir } = this.#options;
    await mkdir(dir, { recursive: true, mode: 0o700 });
    return withTrailLock(dir, async (isHeld) => {
      this.#isHeld = isHeld;
      try {
        await this.#cutOff();
        const open = await this.#current();
        const written = await this.#write(await this.#roomFor(open), entries);
        const { line, hash, path: file } = this.#open!;
        this.#head = { line, hash, file };
        return written;
      } catch (error) {
        await this.#drop();
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    await this.#open?.handle.close();
    this.#open = undefined;
  }

  /** The open file, read again if it is not as this trail has left it. */
  async #current(): Promise<Open> {
    if (this.#open !== undefined) {
      const { size } = await this.#open.handle.stat();
      const next = trailFile(this.#options.dir, this.#open.number + 1);
      if (size === this.#open.size && !(await isThere(next.path))) return this.#open;
      await this.close();
    }
    const end = await readTrailEnd(this.#options.dir);
    if (end === undefined) return this.#begin(undefined);
    this.#open = await openAt(end);
    if (end.torn !== undefined) {
      await this.#add([`"repaired":${JSON.stringify(end.torn)}`]);
    }
    return this.#open;
  }

  /** A file that has room, and whose lines have this sink's key. */
  async #roomFor(open: Open): Promise<Open> {
    const { rotateBytes, rotateMs, seal } = this.#options;
    const isOver = open.size >= rotateBytes || Date.now() - open.begunAt >= rotateMs;
    return isOver || open.key !== seal?.id ? this.#begin(open) : open;
  }

  async #write({ known }: Open, entries: readonly Entry[]): Promise<number> {
    const fresh: Entry[] = [];
    const inBatch = new Set<string>();
    for (const entry of entries) {
      const { event } = entry;
      const key = `${event.shard} ${event.sequence}`;
      if (inBatch.has(key) || (await known.has(event))) continue;
      inBatch.add(key);
      fresh.push(entry);
    }
    if (fresh.length === 0) return 0;
    await this.#add(fresh.map(({ text }) => `"event":${text}`));
    for (const { event } of fresh) known.add(event);
    return fresh.length;
  }

  /** Appends lines and flushes them. */
  async #add(bodies: readonly string[]): Promise<void> {
    const open = this.#open!;
    const at = new Date().toISOString();
    let text = '';
    let { line, hash } = open;
    for (const body of bodies) {
      const made = makeLine({ line: line + 1, previous: hash }, at, body, this.#options.seal);
      text += `${made.text}\n`;
      line++;
      hash = made.hash;
    }
    const bytes = Buffer.from(text);
    open.willEnd = open.size + bytes.length;
    if (!(await this.#isHeld())) {
      throw new Error('another process has taken over the trail, as this one stood still for long');
    }
    await open.handle.appendFile(bytes);
    await open.handle.datasync();
    const { size } = await open.handle.stat();
    if (size !== open.willEnd) {
      throw broken(open, open.line + 1, 'was written while another process wrote too');
    }
    Object.assign(open, { size, line, hash });
  }

  /** Begins the file after `last`. Its first line goes on with the chain. */
  async #begin(last: Open | undefined): Promise<Open> {
    const { dir, consumer, seal } = this.#options;
    const { path, number } = trailFile(dir, (last?.number ?? 0) + 1);
    const trail = last?.trail ?? randomUUID();
    const head: FileHead = {
      trail,
      number,
      consumer,
      ...(seal === undefined ? {} : { key: seal.id }),
      ranges: last?.known.ranges ?? {},
    };
    const known = last?.known ?? new KnownEvents();
    const handle = await open(path, 'ax', 0o600);
    await last?.handle.close();
    this.#open = {
      ...{
        handle,
        trail,
        number,
        path,
        key: seal?.id,
        begunAt: Date.now(),
        known,
        size: 0,
        willEnd: 0,
      },
      line: last?.line ?? 0,
      hash: last?.hash ?? NO_HASH,
    };
    await this.#add([`"file":${JSON.stringify(head)}`]);
    await syncDirectory(dir);
    if (last !== undefined) known.rotate(last.path);
    return this.#open;
  }

  /**
   * Cuts off what may not be flushed, and forgets the file. After a failed flush the system may have dropped pages and
   * call the file clean, so the same bytes are never flushed a second time: they are removed and written anew.
   */
  async #drop(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return;
    this.#uncut = open;
    await open.handle.close().catch(() => {});
    // What cannot be cut off now is cut off before the trail is read again.
    await this.#cutOff().catch(() => {});
  }

  /** The next writer would take whole lines for flushed ones. Leaves alone what another process has added to. */
  async #cutOff(): Promise<void> {
    if (this.#uncut === undefined) return;
    const { path, size, willEnd } = this.#uncut;
    const found = await sizeOf(path);
    if (found !== undefined && found > size && found <= willEnd) await truncate(path, size);
    this.#uncut = undefined;
  }
}

async function openAt(end: TrailEnd): Promise<Open> {
  const { file, head, begunAt, known, size, line, hash } = end;
  const handle = await open(file.path, 'a', 0o600);
  // A process that was killed may have left lines that it did not flush. They count from now on.
  await handle.datasync();
  const { trail, number, key } = head;
  return {
    ...{ handle, trail, number, path: file.path, key, begunAt, known },
    ...{ size, willEnd: size, line, hash },
  };
}

async function isThere(path: string): Promise<boolean> {
  return (await sizeOf(path).catch(() => undefined)) !== undefined;
}

/** `undefined`: there is no such file. */
async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
