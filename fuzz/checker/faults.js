/**
 * The faults of processes and threads. A plug for others is a `Fault` (`nemesis.js`).
 *
 * @type {Record<string, import('./nemesis.js').Fault>}
 */
export const faults = {
  /** The server is killed with SIGKILL, and starts again. */
  kill: {
    name: 'kill',
    inject: async (_random, { subject }) => {
      if (!subject.isReady) return undefined;
      subject.kill();
      return 'the server';
    },
    heal: async ({ subject }) => subject.running,
  },
  /** A client is killed with SIGKILL, and starts again. */
  client: {
    name: 'client',
    inject: async (random, { clients }) => {
      const client = random.pick(clients);
      if (!client.isReady) return undefined;
      client.kill();
      return client.name;
    },
  },
  /** A shard's thread is terminated, or its loop throws. */
  shard: {
    name: 'shard',
    inject: async (random, { subject, shards }) => {
      const call = random.pick(['killShard', 'crashShard']);
      const shard = random.below(shards);
      return (await subject.ask(call, { shard })) ? `${call} ${shard}` : undefined;
    },
  },
  gateway: gatewayFault({ crash: 8, exhaust: 1 }),
  /** An attached worker is terminated, and another is attached. */
  worker: {
    name: 'worker',
    inject: async (_random, { subject }) =>
      (await subject.ask('killWorker', {})) ? 'the attached worker' : undefined,
  },
  /** A process stands still for a while (SIGSTOP, SIGCONT). */
  freeze: {
    name: 'freeze',
    inject: async (random, { subject, clients }) => {
      const role = random.pick([subject, ...clients]);
      return role.freeze() ? role.name : undefined;
    },
    heal: async ({ subject, clients }) => {
      for (const role of [subject, ...clients]) role.thaw();
    },
  },
  /** The server cuts all connections of its clients. */
  disconnect: {
    name: 'disconnect',
    inject: async (_random, { subject }) => {
      const count = await subject.ask('disconnect', {});
      return count > 0 ? `${count} connections` : undefined;
    },
  },
};

/** Those that a run has without `--faults`. */
export const USUAL = Object.keys(faults);

/**
 * The gateway's thread throws (`crash`), or fills its heap (`exhaust`). It is not terminated: Node 20 was seen to abort the
 * whole process when that happens amid its parsing of a request (`v8::ToLocalChecked` below `llhttp__internal_execute`).
 *
 * @param {Record<string, number>} ways  by name, how often
 */
export function gatewayFault(ways) {
  return {
    name: 'gateway',
    prepare: async ({ subject }) => {
      subject.mayAbort ||= 'exhaust' in ways;
    },
    inject: async (random, { subject }) => {
      const how = random.pickWeighted(ways);
      return (await subject.ask('hurtGateway', { how })) ? how : undefined;
    },
  };
}
