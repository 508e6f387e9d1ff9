import type { LogStore } from '../store/log-store.js';
import { type NodeOptions, StoreNode } from './store-node.js';
import type { StoreCheck, StoreUnderTest } from './store-under-test.js';

type Work<T> = (subject: T) => Promise<void>;

/** Makes checks of one store; each has a fresh one, whatever becomes of the others. */
export class Checks {
  readonly list: StoreCheck[] = [];
  readonly subject: StoreUnderTest;

  constructor(subject: StoreUnderTest) {
    this.subject = subject;
  }

  /** A check on a store that is not open. */
  onStore(name: string, work: Work<LogStore>): void {
    const { subject } = this;
    this.list.push({
      name,
      async run() {
        const fresh = await subject.create();
        try {
          await work(fresh.store);
        } finally {
          await fresh.dispose?.();
        }
      },
    });
  }

  /** A check on one node. */
  onNode(name: string, work: Work<StoreNode>, options: NodeOptions = {}): void {
    this.onStore(name, (store) => withNode(store, work, options));
  }

  /** A check on two nodes of one store. */
  onTwoNodes(name: string, work: (one: StoreNode, other: StoreNode) => Promise<void>): void {
    this.onStore(name, (store) =>
      withNode(store, (one) => withNode(store, (other) => work(one, other))),
    );
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
