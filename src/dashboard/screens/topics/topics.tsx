import { useSignal } from '@preact/signals';
import type { RetentionRule } from 'millrace/client';
import { useMemo, useRef } from 'preact/hooks';
import { Icon } from '../../parts/icon.js';
import { Notice } from '../../parts/notice.js';
import { VirtualList, type VirtualListHandle } from '../../parts/virtual-list.js';
import { access } from '../../state/access.js';
import { now } from '../../state/now.js';
import { amend, go, hrefOf, place } from '../../state/place.js';
import { usePolled } from '../../state/polled.js';
import { client } from '../../state/session.js';
import { ago, compact, counted, whole } from '../../text/format.js';
import { retentionText } from './retention-text.js';
import {
  matching,
  patternsOf,
  rowsOf,
  type TopicList,
  type TreeRow,
  treeOf,
} from './topic-tree.js';
import './topics.css';

/** The topics that have stored events, as a tree by prefix. */

const POLL_MS = 2000;
/** A long list costs the server and the page more, so it is asked for less often. */
const LONG_LIST = 5000;
const LONG_POLL_MS = 30_000;
/** Trees of at most this many topics are open from the beginning. */
const OPEN_TOPICS_MAX = 200;
const ROW_HEIGHT = 32;

interface Lists {
  readonly last: TopicList;
  readonly before: TopicList | undefined;
  /** Undefined for those who may not read it. */
  readonly retention: readonly RetentionRule[] | undefined;
}

export default function Topics() {
  const pollMs = useSignal(POLL_MS);
  const { value: lists, error } = usePolled<Lists>(async (held) => {
    const next = await ask(held);
    pollMs.value = next.last.topics.length > LONG_LIST ? LONG_POLL_MS : POLL_MS;
    return next;
  }, pollMs.value).value;
  if (lists === undefined) {
    return error === undefined ? (
      <p class="loading">Loading …</p>
    ) : (
      <Notice kind="bad">{error}</Notice>
    );
  }
  return <TopicTree lists={lists} error={error} />;
}

async function ask(held: Lists | undefined): Promise<Lists> {
  // Only administrators may read the figures of the bus, of which the rules of retention are a part.
  const [topics, stats] = await Promise.all([
    client().topics(),
    access.value.mayAdminister ? client().stats() : undefined,
  ]);
  return {
    last: { at: Date.now(), topics },
    before: held?.last,
    retention: stats?.retention,
  };
}

function TopicTree({
  lists,
  error,
}: {
  readonly lists: Lists;
  readonly error: string | undefined;
}) {
  const { last, before, retention } = lists;
  const root = useMemo(() => treeOf(last, before), [last, before]);
  const filter = place.value.parameters.get('find') ?? '';
  const toggled = useSignal<ReadonlySet<string>>(new Set());
  const isOpenFirst = last.topics.length <= OPEN_TOPICS_MAX;
  const isOpen = (path: string): boolean => toggled.value.has(path) !== isOpenFirst;
  const rows = filter === '' ? rowsOf(root, isOpen) : matching(root, filter);
  const toggle = (path: string): void => {
    const next = new Set(toggled.value);
    if (!next.delete(path)) next.add(path);
    toggled.value = next;
  };
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
        <Rows rows={rows} isFlat={filter !== ''} toggle={toggle} retention={retention} />
      )}
    </section>
  );
}

interface RowsProps {
  readonly rows: readonly TreeRow[];
  readonly isFlat: boolean;
  readonly toggle: (path: string) => void;
  /** Undefined for those who may not read it. */
  readonly retention: readonly RetentionRule[] | undefined;
}

function Rows({ rows, isFlat, toggle, retention }: RowsProps) {
  const handle = useRef<VirtualListHandle | null>(null);
  const chosen = useSignal<string | undefined>(undefined);
  const at = rows.findIndex(({ node }) => node.path === chosen.value);
  const choose = (index: number): void => {
    const row = rows[Math.min(Math.max(index, 0), rows.length - 1)];
    if (row === undefined) return;
    chosen.value = row.node.path;
    handle.current?.scrollToIndex(rows.indexOf(row));
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const act = keyActions(rows[at], { at, choose, toggle, isFlat, last: rows.length - 1 })[
      event.key
    ];
    if (act === undefined) return;
    event.preventDefault();
    act();
  };
  return (
    <div class="card tree">
      <div class="tree-head" aria-hidden="true">
        <span>Topic</span>
        <span class="number">Events</span>
        <span class="number rate">Per second</span>
        <span class="last">Last event</span>
        <span class="kept">Kept</span>
      </div>
      <VirtualList
        role="tree"
        label="Topics"
        count={rows.length}
        rowHeight={ROW_HEIGHT}
        handle={handle}
        {...(at >= 0 && { active: rowId(at) })}
        onKeyDown={onKeyDown}
        keyOf={(index) => rows[index]?.node.path ?? index}
        row={(index) => {
          const row = rows[index];
          return row === undefined ? undefined : (
            <Row
              id={rowId(index)}
              row={row}
              isFlat={isFlat}
              isChosen={index === at}
              kept={retention === undefined ? '' : retentionText(retention, row.node.path)}
              onToggle={() => {
                choose(index);
                toggle(row.node.path);
              }}
            />
          );
        }}
      />
    </div>
  );
}

function rowId(index: number): string {
  return `topic-${index}`;
}

interface KeyContext {
  readonly at: number;
  readonly last: number;
  readonly isFlat: boolean;
  readonly choose: (index: number) => void;
  readonly toggle: (path: string) => void;
}

/** The keys of a tree, as the ARIA practices have them. */
function keyActions(
  row: TreeRow | undefined,
  { at, last, isFlat, choose, toggle }: KeyContext,
): Readonly<Record<string, () => void>> {
  const hasChildren = !isFlat && row !== undefined && row.node.children.size > 0;
  return {
    ArrowDown: () => choose(at + 1),
    ArrowUp: () => choose(at - 1),
    Home: () => choose(0),
    End: () => choose(last),
    ArrowRight: () => (hasChildren && !row.isOpen ? toggle(row.node.path) : choose(at + 1)),
    ArrowLeft: () => (hasChildren && row.isOpen ? toggle(row.node.path) : choose(at - 1)),
    Enter: () => {
      if (row !== undefined) go('stream', { topic: patternsOf(row.node) });
    },
  };
}

interface RowProps {
  readonly id: string;
  readonly row: TreeRow;
  readonly isFlat: boolean;
  readonly isChosen: boolean;
  readonly kept: string;
  readonly onToggle: () => void;
}

function Row({ id, row, isFlat, isChosen, kept, onToggle }: RowProps) {
  const { node, level, isOpen } = row;
  const hasChildren = !isFlat && node.children.size > 0;
  return (
    <div
      id={id}
      class={`tree-row ${isChosen ? 'is-chosen' : ''}`}
      role="treeitem"
      tabIndex={-1}
      aria-level={level}
      aria-expanded={hasChildren ? isOpen : undefined}
      aria-selected={isChosen}
    >
      <span class="name ellipsis" style={{ paddingLeft: `${(level - 1) * 1.1}rem` }}>
        {hasChildren ? (
          <button
            type="button"
            class="twist"
            tabIndex={-1}
            aria-label={isOpen ? `Close ${node.path}` : `Open ${node.path}`}
            onClick={onToggle}
          >
            <span class={isOpen ? 'is-open' : ''}>
              <Icon name="right" />
            </span>
          </button>
        ) : (
          <i class="twist" />
        )}
        <a
          class="mono ellipsis"
          href={hrefOf('stream', { topic: patternsOf(node) })}
          tabIndex={-1}
          title={node.path}
        >
          {isFlat ? node.path : node.name}
        </a>
        {hasChildren && <span class="tag">{whole(node.topics)}</span>}
      </span>
      <span class="number">{whole(node.events)}</span>
      <span class="number rate">{node.rate === undefined ? '–' : compact(node.rate)}</span>
      <span class="last">{ago(node.lastAt, now.value)}</span>
      <span class="kept ellipsis" title={kept}>
        {kept}
      </span>
    </div>
  );
}
