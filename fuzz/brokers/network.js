import { spawnSync } from 'node:child_process';

/**
 * Machines with a network between them, made of the kernel: each is a network namespace with one device, and all devices,
 * and this process, are on one bridge. Packets vanish when a machine is cut off, or two of them are parted, and TCP learns
 * nothing. Needs root and `ip`.
 */
let count = 0;
const DEVICE = 'eth0';
const SIGNALS = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);
/** The address of a device that nobody has. */
const NOBODY = '02:00:00:00:00:00';

export class Network {
  #atExit = () => this.dispose();
  #bridge;
  #net;
  #names;
  #mark;

  /** @param {string[]} names */
  constructor(names) {
    const n = ++count;
    this.#mark = `${(process.pid % 4096).toString(16)}${n}`;
    this.#bridge = `mr${this.#mark}`;
    // A small network for each, so that several runs stand side by side.
    const place = (process.pid * 7 + n) % 12_500;
    this.#net = `10.${200 + Math.floor(place / 250)}.${place % 250}`;
    this.#names = names;
  }

  /** Makes it. It goes with this process, unless that is killed with SIGKILL. */
  raise() {
    process.once('exit', this.#atExit);
    for (const signal of SIGNALS) process.once(signal, exitBySignal);
    ip('link', 'add', this.#bridge, 'type', 'bridge');
    ip('addr', 'add', `${this.#net}.254/24`, 'dev', this.#bridge);
    ip('link', 'set', this.#bridge, 'up');
    for (const name of this.#names) {
      const [space, device] = [this.#spaceOf(name), this.#deviceOf(name)];
      ip('netns', 'add', space);
      ip('link', 'add', device, 'type', 'veth', 'peer', 'name', DEVICE, 'netns', space);
      ip('link', 'set', device, 'master', this.#bridge, 'up');
      this.#within(name, 'addr', 'add', `${this.addressOf(name)}/24`, 'dev', DEVICE);
      this.#within(name, 'link', 'set', DEVICE, 'up');
      this.#within(name, 'link', 'set', 'lo', 'up');
    }
  }

  /** @returns `{ name, host, through }` of each machine: its address, and the command that starts a process on it */
  get places() {
    return this.#names.map((name) => ({
      name,
      host: this.addressOf(name),
      through: ['ip', 'netns', 'exec', this.#spaceOf(name)],
    }));
  }

  addressOf(/** @type {string} */ name) {
    return `${this.#net}.${this.#names.indexOf(name) + 1}`;
  }

  /** Cuts a machine off from everybody. */
  cut(/** @type {string} */ name) {
    ip('link', 'set', this.#deviceOf(name), 'down');
  }

  join(/** @type {string} */ name) {
    ip('link', 'set', this.#deviceOf(name), 'up');
  }

  /** Parts two machines, which others still reach. */
  part(/** @type {string} */ one, /** @type {string} */ other) {
    for (const [from, to] of both(one, other)) {
      const there = this.addressOf(to);
      // Packets for a device that nobody has are sent, and nobody takes them.
      this.#within(
        from,
        'neigh',
        'replace',
        there,
        'lladdr',
        NOBODY,
        'dev',
        DEVICE,
        'nud',
        'permanent',
      );
    }
  }

  unite(/** @type {string} */ one, /** @type {string} */ other) {
    for (const [from, to] of both(one, other)) {
      this.#within(from, 'neigh', 'del', this.addressOf(to), 'dev', DEVICE);
    }
  }

  /** Takes down what there is of it, when no process is on it any more. */
  dispose() {
    process.off('exit', this.#atExit);
    for (const signal of SIGNALS) process.off(signal, exitBySignal);
    for (const name of this.#names) {
      // Takes the device within with it; a namespace goes some time after its last process.
      spawnSync('ip', ['link', 'del', this.#deviceOf(name)]);
      spawnSync('ip', ['netns', 'del', this.#spaceOf(name)]);
    }
    spawnSync('ip', ['link', 'del', this.#bridge]);
  }

  #within(/** @type {string} */ name, /** @type {string[]} */ ...args) {
    ip('-n', this.#spaceOf(name), ...args);
  }

  #spaceOf(/** @type {string} */ name) {
    return `millrace-${this.#mark}-${name}`;
  }

  #deviceOf(/** @type {string} */ name) {
    return `${this.#bridge}-${this.#names.indexOf(name)}`;
  }
}

/** An end by a signal leaves nothing behind either. */
function exitBySignal() {
  process.exit(1);
}

function both(one, other) {
  return [
    [one, other],
    [other, one],
  ];
}

/** Runs the command `ip`. */
export function ip(...args) {
  const { status, stderr, error } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${error?.message ?? stderr.trim()}`);
}
