import type { Event } from 'millrace/client';
import { useMemo, useState } from 'preact/hooks';
import { Notice } from '../parts/notice.js';
import { useAsked } from '../state/asked.js';
import { client } from '../state/session.js';
import { counted, dateAndClock } from '../text/format.js';
import { type Change, changesOf, differenceOf } from './json-diff.js';
import { previewOf } from './preview.js';
import { previousOf } from './previous-event.js';
import { showEvent } from './shown-event.js';

/** How the payload differs from that of the event before on the same topic. */

const CHANGES_SHOWN = 200;
const VALUE_LENGTH = 400;

export function EventChanges({ event }: { readonly event: Event }) {
  const asked = useAsked(() => previousOf(client(), event), event);
  if (asked.kind === 'waiting') return <p class="loading">Loading …</p>;
  if (asked.kind === 'failed') return <Notice kind="bad">{asked.error}</Notice>;
  const { event: before, looked, isAll } = asked.value;
  if (before !== undefined) return <Changes before={before} after={event} />;
  return (
    <p class="soft">
      {isAll
        ? 'There is no stored event before this one on its topic.'
        : `The event before was not found among ${counted(looked, 'event')} of the topic, which is as far as the page looks.`}
    </p>
  );
}

function Changes({ before, after }: { readonly before: Event; readonly after: Event }) {
  const changes = useMemo(
    () => [...changesOf(differenceOf(before.payload, after.payload))],
    [before, after],
  );
  const [shown, setShown] = useState(CHANGES_SHOWN);
  return (
    <>
      <p class="soft">
        {changes.length === 0
          ? 'The payload is the same as'
          : `${counted(changes.length, 'change')} from`}{' '}
        that of the{' '}
        <button type="button" class="link" onClick={() => showEvent(before)}>
          event before, of {dateAndClock(before.timestamp)}
        </button>
        .
      </p>
      <ul class="changes">
        {changes.slice(0, shown).map((change) => (
          <ChangeLine key={`${change.kind} ${change.path}`} change={change} />
        ))}
      </ul>
      {changes.length > shown && (
        <button type="button" onClick={() => setShown(shown + CHANGES_SHOWN)}>
          Show more
        </button>
      )}
    </>
  );
}

const TAGS = { added: 'is-good', removed: 'is-bad', changed: 'is-warning' } as const;

function ChangeLine({ change }: { readonly change: Change }) {
  const { kind, path, before, after } = change;
  return (
    <li>
      <span class={`tag ${TAGS[kind]}`}>{kind}</span> <b class="mono">{path || 'the payload'}</b>
      <div class="mono">
        {kind !== 'added' && <del>{previewOf(before, VALUE_LENGTH)}</del>}
        {kind === 'changed' && <span aria-hidden="true"> → </span>}
        {kind !== 'removed' && <ins>{previewOf(after, VALUE_LENGTH)}</ins>}
      </div>
    </li>
  );
}
