import { spawnSync } from 'node:child_process';
import { setTimeout as pass } from 'node:timers/promises';
import { NetworkFault } from './faults.js';

/**
 * Clients in a network namespace of their own, and the kernel's network between them and the server: a pair of virtual
 * devices. It is parted by taking a device down, so that packets vanish and TCP learns nothing, and loses and delays
 * packets where the kernel has `netem`. Needs root and `ip`.
 *
 * The server's side has the scripted proxy at its address, as a gateway that other machines reach wants keys.
 */
let count = 0;
const PARTED_MS_MAX = 7000;
const CONDITIONS = [
  'loss 20%',
  'delay 80ms 40ms',
  'loss 5% delay 30ms',
  'duplicate 10% reorder 20% delay 20ms',
];

export class Namespaces {
  name = 'namespaces';
  #space;
  #device;
  #address;
  #peer;
  #proxies;
  #hasNetem = false;
  #isDown = false;
  #isWorse = false;

  constructor({ clients }) {
    const n = ++count;
    const mark = `${(process.pid % 4096).toString(16)}${n}`;
    this.#space = `millrace-${mark}`;
    this.#device = `mr${mark}a`;
    // One small network for each, so that several runs stand side by side.
    const net = 2 * ((process.pid * 7 + n) % 120);
    this.#address = `10.213.${net}.1`;
    this.#peer = `10.213.${net}.2`;
    this.#proxies = new NetworkFault({ clients, host: this.#address });
  }

  async prepare(world) {
    const inside = ['netns', 'exec', this.#space, 'ip'];
    const peer = `${this.#device.slice(0, -1)}b`;
    ip('netns', 'add', this.#space);
    ip('link', 'add', this.#device, 'type', 'veth', 'peer', 'name', peer, 'netns', this.#space);
    ip('addr', 'add', `${this.#address}/24`, 'dev', this.#device);
    ip('link', 'set', this.#device, 'up');
    ip(...inside, 'addr', 'add', `${this.#peer}/24`, 'dev', peer);
    ip(...inside, 'link', 'set', peer, 'up');
    ip(...inside, 'link', 'set', 'lo', 'up');
    this.#hasNetem = this.#tc('add', 'delay 1ms');
    if (this.#hasNetem) this.#tc('del', '');
    await this.#proxies.prepare(world);
    world.through = () => ['ip', 'netns', 'exec', this.#space];
  }

  async inject(random, world) {
    if (this.#hasNetem && random.chance(0.4)) {
      const condition = random.pick(CONDITIONS);
      this.#isWorse = this.#tc('add', condition);
      return condition;
    }
    if (random.chance(0.3)) return this.#proxies.inject(random);
    ip('link', 'set', this.#device, 'down');
    this.#isDown = true;
    const ms = random.below(PARTED_MS_MAX);
    await pass(ms);
    return `parted for ${ms} ms and more, ${world.clients.length} clients`;
  }

  async heal() {
    if (this.#isDown) ip('link', 'set', this.#device, 'up');
    if (this.#isWorse) this.#tc('del', '');
    this.#isDown = false;
    this.#isWorse = false;
    await this.#proxies.heal();
  }

  async close() {
    await this.#proxies.close();
    // Takes the devices with it.
    spawnSync('ip', ['link', 'del', this.#device]);
    spawnSync('ip', ['netns', 'del', this.#space]);
  }

  #tc(act, condition) {
    const netem = ['netem', ...condition.split(' ').filter(Boolean)];
    const args = ['qdisc', act, 'dev', this.#device, 'root', ...(act === 'del' ? [] : netem)];
    return spawnSync('tc', args).status === 0;
  }
}

/** Why there can be no namespaces here; `undefined` if there can. */
export function obstacleToNamespaces() {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'it needs root on Linux';
  const name = `millrace-try-${process.pid}`;
  const { error, status, stderr } = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' });
  if (error !== undefined) return 'NOT FOUND: ip (Debian package iproute2)';
  if (status !== 0) return `ip netns: ${stderr.trim()}`;
  spawnSync('ip', ['netns', 'del', name]);
  return undefined;
}

function ip(...args) {
  const { status, stderr, error } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${error?.message ?? stderr.trim()}`);
}
