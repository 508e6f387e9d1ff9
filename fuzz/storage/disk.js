import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * A model of a disk that may lose its power: for each file and directory its durable content, and the changes since,
 * which may be lost. The changes of a record are applied to it.
 */
export class Disk {
  /** Every directory under the root, by path. */
  directories = new Map();
  #files = new Map();

  /** @param root the directory that the record is about, empty at first */
  constructor(root) {
    this.root = root;
    this.directories.set(root, new Directory());
  }

  apply(change) {
    switch (change.kind) {
      case 'C':
        this.#create(change);
        break;
      case 'W':
        this.#fileOf(change).pending.push({ offset: change.offset, data: change.data });
        break;
      case 'T':
        this.#fileOf(change).pending.push({ size: change.offset });
        break;
      case 'D':
        this.directories.set(change.path, new Directory());
        this.#directoryOf(change.path).change([{ name: basename(change.path), to: 'directory' }]);
        break;
      case 'N':
        this.#rename(change);
        break;
      case 'U':
        this.#directoryOf(change.path).change([{ name: basename(change.path), to: undefined }]);
        break;
      case 'f':
        this.#flushed(change).beginFlush();
        break;
      case 'F':
        this.#flushed(change).endFlush();
    }
  }

  /** The files in which the record and the real directory differ; none if every change was recorded. */
  differences() {
    const found = [];
    for (const [path, directory] of this.directories) {
      for (const [name, file] of directory.names) {
        if (file === 'directory' || !isRecorded(name)) continue;
        const real = readFileSync(join(path, name));
        if (!real.equals(file.read(file.pending.length))) found.push(join(path, name));
      }
    }
    return found;
  }

  #create({ path, inode }) {
    const file = new DiskFile(Buffer.alloc(0));
    this.#files.set(inode, file);
    this.#directoryOf(path).change([{ name: basename(path), to: file }]);
  }

  #rename({ path, other }) {
    const directory = this.#directoryOf(path);
    const file = directory.names.get(basename(path));
    // One step: no disk shows a part of a rename.
    directory.change([
      { name: basename(path), to: undefined },
      { name: basename(other), to: file },
    ]);
  }

  #fileOf({ inode, path }) {
    const file = this.#files.get(inode);
    if (file === undefined) throw new Error(`the record has no beginning of ${path}`);
    return file;
  }

  #directoryOf(path) {
    return this.directories.get(dirname(path)) ?? new Directory();
  }

  #flushed({ path, inode }) {
    return this.directories.get(path) ?? this.#files.get(inode) ?? new Directory();
  }
}

export function isRecorded(name) {
  return !name.endsWith('-shm');
}

/** A file's durable bytes, and the changes since, in order. */
export class DiskFile {
  pending = [];
  #durable;
  #flushing = 0;

  constructor(durable) {
    this.#durable = new Bytes(durable);
  }

  /** Changes from now on are not in this flush. */
  beginFlush() {
    this.#flushing = this.pending.length;
  }

  endFlush() {
    for (const change of this.pending.splice(0, this.#flushing)) this.#durable.apply(change);
    this.#flushing = 0;
  }

  /** The file's bytes after `count` of the pending changes. */
  read(count) {
    if (count === 0) return this.#durable.all;
    const bytes = new Bytes(this.#durable.all);
    for (const change of this.pending.slice(0, count)) bytes.apply(change);
    return bytes.all;
  }
}

/** Bytes that grow and shrink; bytes never written are 0. */
class Bytes {
  #buffer;
  #size;

  constructor(bytes) {
    this.#buffer = Buffer.from(bytes);
    this.#size = bytes.length;
  }

  get all() {
    return this.#buffer.subarray(0, this.#size);
  }

  apply({ data, size, offset }) {
    const end = data === undefined ? size : offset + data.length;
    if (end > this.#buffer.length) {
      const larger = Buffer.alloc(Math.max(end, 2 * this.#buffer.length));
      this.all.copy(larger);
      this.#buffer = larger;
    }
    if (data === undefined) {
      if (end < this.#size) this.#buffer.fill(0, end, this.#size);
      this.#size = end;
    } else {
      data.copy(this.#buffer, offset);
      this.#size = Math.max(this.#size, end);
    }
  }
}

/** A directory's names, the durable ones, and the changes since; each change takes effect as a whole or not at all. */
class Directory {
  names = new Map();
  durable = new Map();
  pending = [];
  #flushing = 0;

  change(steps) {
    applySteps(this.names, steps);
    this.pending.push(steps);
  }

  beginFlush() {
    this.#flushing = this.pending.length;
  }

  endFlush() {
    for (const steps of this.pending.splice(0, this.#flushing)) applySteps(this.durable, steps);
    this.#flushing = 0;
  }
}

export function applySteps(names, steps) {
  for (const { name, to } of steps) {
    if (to === undefined) names.delete(name);
    else names.set(name, to);
  }
}
