import type { Gap } from 'millrace/client';
import { previewOf } from '../../event/preview.js';
import { clock, counted, dateAndClock } from '../../text/format.js';
import { PREVIEW_LENGTH_MAX } from './bounds.js';
import { MARKS } from './marks.js';
import type { Row } from './rows.js';

/** One row of the Stream: an event, or something that happened to the stream. */

export interface StreamRowProps {
  readonly row: Row | undefined;
  /** From 1, in a list of `count` rows. */
  readonly position: number;
  readonly count: number;
  /** The key of the selected row. */
  readonly selected: number | undefined;
  /** Whether the day stands before the time. */
  readonly hasDate: boolean;
  readonly onOpen: (key: number) => void;
}

export function idOfRow(key: number): string {
  return `stream-row-${key}`;
}

export function StreamRow({ row, position, count, ...props }: StreamRowProps) {
  const { selected, hasDate, onOpen } = props;
  if (row === undefined) return null;
  const isSelected = row.key === selected;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the list takes the keys.
    // biome-ignore lint/a11y/useFocusableInteractive: the list names the active row.
    <div
      id={idOfRow(row.key)}
      class={`event-row stream-row is-${row.kind}`}
      role="option"
      aria-selected={isSelected}
      aria-posinset={position}
      aria-setsize={count}
      onClick={() => onOpen(row.key)}
    >
      {row.kind === 'event' ? (
        <EventCells row={row} hasDate={hasDate} />
      ) : (
        <span class="ellipsis">{markText(row)}</span>
      )}
    </div>
  );
}

type EventRow = Extract<Row, { kind: 'event' }>;

function EventCells({ row, hasDate }: { readonly row: EventRow; readonly hasDate: boolean }) {
  const { event, isRepeated } = row;
  row.preview ??= previewOf(event.payload, PREVIEW_LENGTH_MAX);
  return (
    <>
      <time class="number soft" dateTime={event.timestamp} title={dateAndClock(event.timestamp)}>
        {hasDate ? dateAndClock(event.timestamp) : clock(event.timestamp)}
      </time>
      <span class="topic ellipsis">{event.topic}</span>
      <span class="type ellipsis">{event.type}</span>
      <span class="source ellipsis soft">{event.source}</span>
      <span class="payload ellipsis mono">
        {event.sequence === undefined && (
          <span class="tag" title={MARKS.ephemeral}>
            ephemeral
          </span>
        )}
        {isRepeated && (
          <span class="tag is-warning" title={MARKS.again}>
            again
          </span>
        )}
        {row.preview}
      </span>
    </>
  );
}

function markText(row: Exclude<Row, { kind: 'event' }>): string {
  if (row.kind === 'gap') return gapText(row.gap);
  if (row.kind === 'note') return `${clock(row.at)}  ${row.text}`;
  if (row.kind === 'missed') {
    return `${counted(row.events, 'ephemeral event')} did not come here: this stream was behind, and they are not stored.`;
  }
  return `${counted(row.events, 'event')} came here while the list was held and had no room. The bus has them.`;
}

function gapText({ shard, from, to, reason }: Gap): string {
  const why =
    reason === 'pruned' ? 'the log has let go of them' : 'they were lost with the last seconds';
  return `Gap: up to ${counted(to - from + 1, 'event')} of shard ${shard} (${from} to ${to}): ${why}.`;
}
