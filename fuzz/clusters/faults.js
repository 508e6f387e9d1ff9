/**
 * What happens to the servers of a broker, to the network between them, and to the nodes: `Fault`s (`checker/nemesis.js`) of a
 * world `{ broker, network, nodes, clients, faults }`.
 *
 * One thing fails at a time. A server that comes back without its disk does so when the others have a leader and all
 * that there is, as somebody would who puts in another disk: before that its vote could make a leader of one that lacks events.
 */
const WHOLE_MS = 90_000;
/** How likely a fault looks for the server that leads. */
const LEADER = 0.6;

async function victimOf(random, { broker }) {
  const leader = random.chance(LEADER) ? await broker.leader(random) : undefined;
  return leader ?? random.pick(broker.servers);
}

/** A fault of one server. `hurt` and `mend` are told which. */
function ofServer(name, hurt, mend) {
  let victim;
  let state;
  return {
    name,
    inject: async (random, world) => {
      victim = await victimOf(random, world);
      state = await hurt(victim, world, random);
      return state === undefined ? undefined : `${victim.name}${state}`;
    },
    heal: (world) => mend(victim, world, state),
  };
}

async function becomesWhole({ broker }) {
  if (!(await broker.isWhole(WHOLE_MS))) throw new Error('the cluster does not become whole');
}

export const faults = {
  /** A server is killed with SIGKILL, and starts again. */
  kill: ofServer(
    'kill',
    async (server) => {
      await server.kill();
      return '';
    },
    (server) => server.start(),
  ),
  /** A server is killed, and starts again with an empty disk. */
  wipe: ofServer(
    'wipe',
    async (server, { broker }) => {
      if (!(await broker.isWhole(WHOLE_MS))) return undefined;
      await server.kill();
      if (!(await broker.isWhole(WHOLE_MS, [server]))) throw new Error('the others do not go on');
      server.wipe();
      return '';
    },
    async (server, world) => {
      await server.start();
      await becomesWhole(world);
    },
  ),
  /** A server stands still for a while. */
  pause: ofServer(
    'pause',
    async (server) => {
      server.signal('SIGSTOP');
      return '';
    },
    async (server) => server.signal('SIGCONT'),
  ),
  /** A server is cut off from everybody. */
  cut: ofServer(
    'cut',
    async (server, { network }) => {
      network.cut(server.name);
      return '';
    },
    async (server, { network }) => network.join(server.name),
  ),
  /** A server is parted from the other ones, and the nodes reach them all. */
  part: ofServer(
    'part',
    async (server, { network, broker }) => {
      for (const other of broker.servers) {
        if (other !== server) network.part(server.name, other.name);
      }
      return '';
    },
    async (server, { network, broker }) => {
      for (const other of broker.servers) {
        if (other !== server) network.unite(server.name, other.name);
      }
    },
  ),
  /** A node, or a process of clients, is killed with SIGKILL, and starts again. */
  node: {
    name: 'node',
    inject: async (random, { nodes, clients }) => {
      const role = random.chance(0.7) ? random.pick(nodes) : random.pick(clients);
      if (!role.isReady) return undefined;
      role.kill();
      return role.name;
    },
    heal: async ({ nodes, clients }) => {
      await Promise.all([...nodes, ...clients].map((role) => role.running));
    },
  },
  /** A node stands still for a while. */
  freeze: {
    name: 'freeze',
    inject: async (random, { nodes }) => {
      const role = random.pick(nodes);
      return role.freeze() ? role.name : undefined;
    },
    heal: async ({ nodes }) => {
      for (const role of nodes) role.thaw();
    },
  },
};
