import type { LogStore } from '../store/log-store.js';
import { type NodeOptions, StoreNode } from './store-node.js';
import type { StoreCheck, StoreUnderTest } from './store-under-test.js';

type Work<T> = (subject: T) => Promise<void>;

/** Collects the checks of one store. Each check has a fresh store, so that none disturbs another. */
export class Checks {
  readonly list: StoreCheck[] = [];
  readonly subject: StoreUnderTest;

  constructor(subject: StoreUnderTest) {
    this.subject = subject;
  }

  /** A check on a store that is not open. */
  onStore(name: string, work: Work<LogStore>): void {
    this.list.push({ name, run: () => withStore(() => this.subject.create(), work) });
  }

  /** A check on one node. */
  onNode(name: string, work: Work<StoreNode>, options: NodeOptions = {}): void {
    this.onStore(name, (store) => withNode(store, work, options));
  }

  /** A check on one node of a store that becomes full, if the store's author describes one. */
  onSmall(name: string, work: Work<StoreNode>): void {
    const { small } = this.subject;
    if (small === undefined) return;
    const { settings = {} } = small;
    this.list.push({
      name,
      run: () =>
        withStore(
          () => small.create(),
          (store) => withNode(store, work, settings),
        ),
    });
  }

  /** A check on two nodes of one store. */
  onTwoNodes(name: string, work: (one: StoreNode, other: StoreNode) => Promise<void>): void {
    this.onStore(name, (store) =>
      withNode(store, (one) => withNode(store, (other) => work(one, other))),
    );
  }
}

async function withStore(create: StoreUnderTest['create'], work: Work<LogStore>): Promise<void> {
  const fresh = await create();
  try {
    await work(fresh.store);
  } finally {
    await fresh.dispose?.();
  }
}

/** Opens a node for `work` and closes it. */
export async function withNode(
  store: LogStore,
  work: Work<StoreNode>,
  options: NodeOptions = {},
): Promise<void> {
  const node = await StoreNode.open(store, options);
  try {
    await work(node);
  } finally {
    await node.close();
  }
}
