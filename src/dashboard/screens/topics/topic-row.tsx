import { Icon } from '../../parts/icon.js';
import { now } from '../../state/now.js';
import { hrefOf } from '../../state/place.js';
import { ago, compact, whole } from '../../text/format.js';
import { patternsOf, type TreeRow } from './topic-tree.js';

/** A topic or a branch of topics: its name leads to the Stream. On a phone its facts are below the name. */

export interface TopicRowProps {
  readonly id: string;
  readonly row: TreeRow;
  readonly isFlat: boolean;
  readonly isChosen: boolean;
  readonly kept: string;
  readonly onToggle: () => void;
}

export function TopicRow({ id, row, isFlat, isChosen, kept, onToggle }: TopicRowProps) {
  const { node, level, isOpen } = row;
  const hasChildren = !isFlat && node.children.size > 0;
  return (
    <div
      id={id}
      class={`tree-row ${isChosen ? 'is-chosen' : ''}`}
      role="treeitem"
      tabIndex={-1}
      aria-level={level}
      aria-posinset={row.position}
      aria-setsize={row.siblings}
      aria-expanded={hasChildren ? isOpen : undefined}
      aria-selected={isChosen}
    >
      <span class="name ellipsis" style={{ '--level': level - 1 }}>
        {hasChildren ? (
          <Twist path={node.path} isOpen={isOpen} onToggle={onToggle} />
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

interface TwistProps {
  readonly path: string;
  readonly isOpen: boolean;
  readonly onToggle: () => void;
}

function Twist({ path, isOpen, onToggle }: TwistProps) {
  return (
    <button
      type="button"
      class="twist"
      tabIndex={-1}
      aria-label={isOpen ? `Close ${path}` : `Open ${path}`}
      onClick={onToggle}
    >
      <span class={isOpen ? 'is-open' : ''}>
        <Icon name="right" />
      </span>
    </button>
  );
}
