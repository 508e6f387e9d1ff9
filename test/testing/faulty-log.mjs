/**
 * A `ShardLogModule` that opens the log of another module and plants one fault in it, to prove that the checks find it.
 * A fault overrides members of the true log.
 */
const FAULTS = {
  'shows a batch before it is committed': (log) => {
    let open = 0;
    return {
      append(...event) {
        open++;
        return log.append(...event);
      },
      commit(...how) {
        open = 0;
        return log.commit(...how);
      },
      get head() {
        return log.head + open;
      },
    };
  },
  'leaves a hole between two events': (log) => ({
    commit: async (...how) => {
      const batch = await log.commit(...how);
      return { isRepeat: (i) => batch.isRepeat(i), sequenceOf: (i) => batch.sequenceOf(i) + i };
    },
  }),
  'reads past the end that it is given': (log) => ({
    read: ({ until, ...request }, visit) => log.read(request, visit),
  }),
  'knows no id': (log) => ({
    findDuplicate: () => 0,
    commit: async (...how) => {
      const batch = await log.commit(...how);
      return { isRepeat: () => false, sequenceOf: (index) => batch.sequenceOf(index) };
    },
  }),
  'promises its commits': (log) => ({ commit: async (...how) => log.commit(...how) }),
  'does not say what repeats when it is full': (log) => ({
    commit: async (...how) => {
      const { refusal, ...batch } = await log.commit(...how);
      if (refusal !== undefined) throw refusal;
      return batch;
    },
  }),
  'opens behind what was shown': (log, { isFirst }) =>
    isFirst
      ? {}
      : {
          get head() {
            return log.head - 1;
          },
        },
  'fails once, and never closes then': (_log, { isFirst }) => {
    if (!isFirst) return {};
    return {
      commit: () => Promise.reject(new Error('the broker is gone')),
      close: () => new Promise(() => {}),
    };
  },
  'stores states behind its batch': (log) => {
    let put = [];
    return {
      consumers: overridden(log.consumers, { put: (lane) => put.push(lane) }),
      commit: (...how) => {
        try {
          return log.commit(...how);
        } finally {
          for (const lane of put) log.consumers.put(lane);
          put = [];
          log.commit(false, []);
        }
      },
    };
  },
  'keeps what has expired': () => ({ expiry: undefined }),
  'lets an event live a moment too long': (log) => ({
    expiry: overridden(log.expiry, { due: (now) => log.expiry.due(now - 1) }),
  }),
  'forgets the ends of its events when it is opened': (log, { headLeast }) => {
    const before = headLeast === 0 ? log.head : 0;
    const left = (found) => found.filter(({ sequence }) => sequence > before);
    return { expiry: overridden(log.expiry, { due: (now) => left(log.expiry.due(now)) }) };
  },
  'claims to remove what has expired': (log) => ({
    expiry: overridden(log.expiry, { remove: (sequences) => sequences.length }),
  }),
  'takes an expired event for a gap': (log) => ({
    topic: (name) => {
      const topic = log.topic(name);
      return (
        topic && { ...topic, prunedThrough: log.prunedEvents > 0 ? topic.firstSequence - 1 : 0 }
      );
    },
  }),
  'keeps no ring positions': () => ({ ringPositions: undefined }),
  'calls from within an append': (log) => {
    let listener = () => {};
    return {
      append: (...event) => {
        listener();
        return log.append(...event);
      },
      follow: (one) => {
        listener = () => one.onAdvance();
        log.follow(one);
      },
    };
  },
  'decides a commit before it has the events': (log) => {
    let isBehind = false;
    return {
      commit: async (...how) => {
        const batch = await log.commit(...how);
        isBehind = true;
        return batch;
      },
      get head() {
        return isBehind ? log.head - 1 : log.head;
      },
    };
  },
};

export async function openShardLog({ options, ...opening }) {
  const module = await import(options.shardLog);
  const log = await module.openShardLog({ ...opening, options: options.options });
  return overridden(log, FAULTS[options.fault](log, opening));
}

function overridden(object, members) {
  return new Proxy(object, {
    get(target, key) {
      const value = key in members ? members[key] : target[key];
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
