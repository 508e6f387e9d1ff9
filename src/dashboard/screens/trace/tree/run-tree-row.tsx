import { previewOf } from '../../../event/preview.js';
import { isNarrow } from '../../../state/narrow.js';
import { counted, dateAndClock } from '../../../text/format.js';
import { DEPTH_SHOWN_MAX, PREVIEW_LENGTH_MAX } from '../bounds.js';
import type { TreeRow } from '../run/causation.js';
import type { Entry } from '../run/run.js';
import { relative } from '../timeline/time-window.js';

/** One row of the tree: an event, or a text that came in pieces. */

export interface RunTreeRowProps {
  readonly row: TreeRow;
  readonly start: number;
  readonly isChosen: boolean;
  readonly onToggle: (key: number) => void;
  readonly onOpen: (row: TreeRow) => void;
}

/** How far one level is set in, rem. */
const INDENT = 1.1;
const INDENT_NARROW = 0.5;

export function idOfRow(key: number): string {
  return `run-row-${key}`;
}

export function RunTreeRow({ row, start, isChosen, onToggle, onOpen }: RunTreeRowProps) {
  const { node, depth, position, siblings, isOpen } = row;
  const { entry, children } = node;
  const indent = Math.min(depth, DEPTH_SHOWN_MAX) * (isNarrow.value ? INDENT_NARROW : INDENT);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the tree takes the keys.
    // biome-ignore lint/a11y/useFocusableInteractive: the tree names the active row.
    <div
      id={idOfRow(entry.key)}
      class="event-row run-row"
      role="treeitem"
      aria-level={depth + 1}
      aria-posinset={position}
      aria-setsize={siblings}
      aria-selected={isChosen}
      aria-expanded={children.length > 0 ? isOpen : undefined}
      onClick={() => onOpen(row)}
    >
      <span class="what" style={{ paddingLeft: `${indent}rem` }}>
        <span
          class="branch"
          aria-hidden="true"
          onClick={(click) => {
            if (children.length === 0) return;
            click.stopPropagation();
            onToggle(entry.key);
          }}
        >
          {children.length === 0 ? '' : isOpen ? '▾' : '▸'}
        </span>
        <span class="type ellipsis">{entry.event.type}</span>
        <Marks row={row} />
      </span>
      <time
        class="number soft"
        dateTime={entry.event.timestamp}
        title={dateAndClock(entry.event.timestamp)}
      >
        {relative(entry.at - start)}
      </time>
      <span class="source ellipsis">{entry.event.source}</span>
      <span class="payload ellipsis">
        {entry.text === undefined ? (
          <span class="mono">{previewOf(entry.event.payload, PREVIEW_LENGTH_MAX)}</span>
        ) : (
          <Text entry={entry} />
        )}
      </span>
    </div>
  );
}

function Marks({ row }: { readonly row: TreeRow }) {
  const { place, children } = row.node;
  return (
    <>
      {place === 'orphan' && (
        <span class="tag is-warning" title="It names a cause that is no event of this run.">
          cause not in this run
        </span>
      )}
      {place === 'cycle' && (
        <span class="tag is-warning" title="Its causes lead back to itself.">
          causes in a circle
        </span>
      )}
      {row.node.children.length > 0 && !row.isOpen && <span class="tag">{children.length}</span>}
    </>
  );
}

function Text({ entry }: { readonly entry: Entry }) {
  const { text = '', pieces = 0 } = entry.text ?? {};
  return (
    <>
      <span class="tag">{counted(pieces, 'piece')}</span> {text.slice(0, PREVIEW_LENGTH_MAX)}
    </>
  );
}
