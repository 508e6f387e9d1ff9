import { fileURLToPath } from 'node:url';
import { TalkingRole } from '../checker/cast.js';
import { DOOM, FACTS, FILTERS, JOBS } from '../checker/plan.js';
import { Random } from '../storage/random.js';

/** The processes of a run on a broker, and the actors in them: four nodes publish, and eight subscribers read. */
const NODE = fileURLToPath(new URL('./node.js', import.meta.url));
export const NODES = ['node-1', 'node-2', 'node-3', 'node-4'];
/** Processes of clients, and the node at whose gateway each is. */
export const CLIENTS = { 'sockets-1': 'node-1', 'sockets-2': 'node-2' };
/** Events a second of a publisher: a node handles those of all. */
const PER_SECOND = 20;

/** A bus on the broker, with its gateway always on one port. */
export class Node extends TalkingRole {
  url;
  #options;

  constructor(name, options) {
    super(name);
    this.#options = options;
  }

  /** @override */
  async start() {
    const port = this.url === undefined ? 0 : Number(new URL(this.url).port);
    await this.launch(NODE, { ...this.#options, name: this.name, port });
  }

  /** @override */
  hear(message) {
    if (message.url !== undefined) this.url = message.url;
    super.hear(message);
  }
}

/** @returns `{ name, host, role, … }` for each actor; a host is a process */
export function actorsOf(seed) {
  const random = new Random(seed);
  const publisher = (host, more = {}) => ({
    name: `${host}-publisher`,
    host,
    role: 'publisher',
    topics: FACTS,
    window: random.pick([1, 8, 64]),
    perSecond: PER_SECOND,
    ...more,
  });
  const reader = (host, which, more = {}) => ({
    name: `${host}-${which}`,
    host,
    role: 'reader',
    filter: random.pick(FILTERS),
    from: random.pick(['now', 'earliest']),
    maxBuffer: random.pick([8, 1000]),
    slowShare: random.pick([0, 0, 0.02]),
    savesEvery: random.pick([1, 10]),
    ...more,
  });
  const all = { filter: { topics: ['*'] }, from: 'earliest' };
  const member = (host, consumer, concurrency) => ({
    name: `${host}-${consumer}`,
    host,
    role: 'member',
    consumer,
    concurrency,
  });
  return [
    ...NODES.map((node) => publisher(node)),
    publisher('node-2', {
      name: 'node-2-jobs-publisher',
      topics: [...JOBS, ...DOOM],
      isOfJobs: true,
    }),
    ...NODES.map((node, at) => reader(node, 'reader', at % 2 === 0 ? all : {})),
    ...Object.keys(CLIENTS).flatMap((host) => [
      publisher(host),
      reader(host, 'all', all),
      reader(host, 'some'),
      member(host, 'jobs', 4),
    ]),
    member('node-1', 'jobs', 4),
    member('node-3', 'jobs', 2),
    member('node-4', 'doom', 2),
    member('sockets-2', 'doom', 2),
  ];
}
