import { useSignal } from '@preact/signals';
import type { RetentionRule } from 'millrace/client';
import { useMemo, useState } from 'preact/hooks';
import { Notice } from '../../parts/notice.js';
import { access } from '../../state/access.js';
import { amend, place } from '../../state/place.js';
import { usePolled } from '../../state/polled.js';
import { client } from '../../state/session.js';
import { counted, whole } from '../../text/format.js';
import { rowsOf, TopicFinder, type TopicList, treeOf } from './topic-tree.js';
import { TreeRows } from './tree-rows.js';
import './topics.css';

/** The topics that have stored events, as a tree by prefix. */

const POLL_MS = 2000;
/** A long list costs the server and the page more, so it is asked for less often. */
const LONG_LIST = 5000;
const LONG_POLL_MS = 30_000;
/** Trees of at most this many topics are open from the beginning. */
const OPEN_TOPICS_MAX = 200;

interface Lists {
  readonly last: TopicList;
  readonly before: TopicList | undefined;
  /** Undefined for those who may not read it. */
  readonly retention: readonly RetentionRule[] | undefined;
}

export default function Topics() {
  const { value: lists, error } = usePolled(ask, pollMs).value;
  if (lists === undefined) {
    return error === undefined ? (
      <p class="loading">Loading …</p>
    ) : (
      <Notice kind="bad">{error}</Notice>
    );
  }
  return <TopicTree lists={lists} error={error} />;
}

function pollMs(lists: Lists | undefined): number {
  return lists !== undefined && lists.last.topics.length > LONG_LIST ? LONG_POLL_MS : POLL_MS;
}

async function ask(held: Lists | undefined): Promise<Lists> {
  // Only administrators may read the figures of the bus, of which the rules of retention are a part.
  const [topics, stats] = await Promise.all([
    client().topics(),
    access.value.mayAdminister ? client().stats() : undefined,
  ]);
  return {
    last: { at: performance.now(), topics },
    before: held?.last,
    retention: stats?.retention,
  };
}

/** The names of the branches that are open, and what changes one. */
function useOpenBranches(topics: number) {
  // Of the first list: a tree that grows must not close what is open.
  const [isOpenFirst] = useState(topics <= OPEN_TOPICS_MAX);
  const toggled = useSignal<ReadonlySet<string>>(new Set());
  const toggle = (path: string): void => {
    const next = new Set(toggled.value);
    if (!next.delete(path)) next.add(path);
    toggled.value = next;
  };
  return { toggled: toggled.value, isOpenFirst, toggle };
}

function TopicTree({
  lists,
  error,
}: {
  readonly lists: Lists;
  readonly error: string | undefined;
}) {
  const { last, before, retention } = lists;
  const filter = place.value.parameters.get('find') ?? '';
  const { toggled, isOpenFirst, toggle } = useOpenBranches(last.topics.length);
  const root = useMemo(() => treeOf(last, before), [last, before]);
  const finder = useMemo(() => new TopicFinder(root), [root]);
  const rows = useMemo(
    () =>
      filter === ''
        ? rowsOf(root, (path) => toggled.has(path) !== isOpenFirst)
        : finder.find(filter),
    [root, finder, filter, toggled, isOpenFirst],
  );
  return (
    <section class="topics">
      <div class="row">
        <input
          type="search"
          aria-label="Find topics"
          placeholder="Find topics"
          value={filter}
          onInput={({ currentTarget }) => amend({ find: currentTarget.value })}
        />
        <span class="soft" role="status">
          {filter === ''
            ? `${counted(last.topics.length, 'topic')}, ${counted(root.events, 'event')}`
            : `${whole(rows.length)} of ${counted(last.topics.length, 'topic')}`}
        </span>
      </div>
      {error !== undefined && <Notice kind="warning">{error}</Notice>}
      {last.topics.length === 0 ? (
        <p class="empty">No topic has stored events yet. Publish one, and it appears here.</p>
      ) : (
        <TreeRows rows={rows} isFlat={filter !== ''} toggle={toggle} retention={retention} />
      )}
    </section>
  );
}
