import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * Real file systems: on loop devices over sparse files, and in memory. Needs root. Each has a label of its own in the
 * name of its folder, by which whatever an earlier run left behind is found and taken away; nothing else is touched.
 */
const LABEL = 'millrace-volume-';
const MIB = 2 ** 20;
const KINDS = {
  xfs: { bytes: 320 * MIB, make: ['mkfs.xfs', '-q', '-f'], package: 'xfsprogs' },
  ext4: { bytes: 64 * MIB, make: ['mkfs.ext4', '-q', '-F'], package: 'e2fsprogs' },
  btrfs: { bytes: 128 * MIB, make: ['mkfs.btrfs', '-q', '-f', '-M'], package: 'btrfs-progs' },
};

export class Volume {
  /** The folder in which its files are, while it is mounted. */
  mountPoint;
  #kind;
  #folder;
  #device;

  /** @param kind xfs, ext4, btrfs or tmpfs. @throws Error that says what this machine lacks */
  static make(kind, folder, bytes) {
    const volume = new Volume(kind, folder);
    try {
      volume.#make(bytes);
      volume.mount();
      return volume;
    } catch (error) {
      volume.remove();
      throw error;
    }
  }

  constructor(kind, folder) {
    this.#kind = kind;
    this.#folder = join(folder, `${LABEL}${process.pid}-${kind}`);
    this.mountPoint = join(this.#folder, 'mounted');
    mkdirSync(this.mountPoint, { recursive: true });
  }

  #make(bytes) {
    if (this.#kind === 'tmpfs') {
      this.#device = `size=${bytes}`;
      return;
    }
    const { bytes: usual, make, package: needed } = KINDS[this.#kind];
    const image = join(this.#folder, 'image');
    writeFileSync(image, '');
    truncateSync(image, bytes ?? usual);
    run(make[0], [...make.slice(1), image], `apt-get install ${needed}`);
    this.#device = run('losetup', ['--find', '--show', image]).trim();
  }

  mount() {
    const [from, options] =
      this.#kind === 'tmpfs' ? ['millrace', ['-o', this.#device]] : [this.#device, []];
    run('mount', ['-t', this.#kind, ...options, from, this.mountPoint]);
  }

  unmount() {
    run('umount', [this.mountPoint]);
  }

  /** Takes it away, mounted or not, whatever has happened to it. */
  remove() {
    takeAway(this.#folder);
  }
}

/** Why this machine can have no such volumes; `undefined`: it can. */
export function volumesLacking(kinds, folder) {
  for (const kind of kinds) {
    try {
      Volume.make(kind, folder, kind === 'tmpfs' ? MIB : undefined).remove();
    } catch (error) {
      return error.message;
    }
  }
  return undefined;
}

/** Takes away what runs that have died left behind. */
export function cleanVolumes() {
  for (const point of mountPoints()) {
    const folder = dirname(point);
    const owner = /^millrace-volume-(\d+)-/.exec(basename(folder))?.[1];
    if (owner !== undefined && !isAlive(Number(owner))) takeAway(folder);
  }
}

function takeAway(folder) {
  for (const point of mountPoints()) {
    if (dirname(point) === folder) spawnSync('umount', ['--lazy', point]);
  }
  const image = join(folder, 'image');
  const { stdout } = spawnSync('losetup', [
    '--noheadings',
    '--output',
    'NAME',
    '--associated',
    image,
  ]);
  for (const device of String(stdout ?? '')
    .split('\n')
    .filter(Boolean)) {
    spawnSync('losetup', ['--detach', device.trim()]);
  }
  rmSync(folder, { recursive: true, force: true });
}

function mountPoints() {
  const lines = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return lines.flatMap((line) => (line.includes(LABEL) ? line.split(' ')[1] : []));
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function run(command, args, install) {
  const done = spawnSync(command, args, { encoding: 'utf8' });
  if (done.error !== undefined) {
    throw new Error(`NOT FOUND: ${command}. Install: ${install ?? 'apt-get install mount'}`);
  }
  if (done.status !== 0) {
    throw new Error(
      `${command} ${args.join(' ')}: ${done.stderr.trim()} (it needs root and loop devices)`,
    );
  }
  return done.stdout;
}
