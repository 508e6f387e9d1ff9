import type { Event } from 'millrace/client';
import type { FunctionComponent } from 'preact';
import { useState } from 'preact/hooks';
import { EventChanges } from './event-changes.js';
import { EventCopies } from './event-copies.js';
import { PayloadTree } from './payload-tree.js';
import { RawPayload } from './raw-payload.js';

/** The ways to look at an event. Left and right change between them, Home and End go to the first and last. */

interface Tab {
  readonly name: string;
  readonly panel: FunctionComponent<{ readonly event: Event }>;
}

const TABS: readonly Tab[] = [
  { name: 'Payload', panel: ({ event }) => <PayloadTree value={event.payload} /> },
  { name: 'JSON', panel: RawPayload },
  { name: 'Changes', panel: EventChanges },
  { name: 'Copy as', panel: EventCopies },
];

export function EventTabs({ event }: { readonly event: Event }) {
  const [at, setAt] = useState(0);
  const onKeyDown = (pressed: KeyboardEvent): void => {
    const next = tabAfter(pressed.key, at);
    if (next === undefined) return;
    pressed.preventDefault();
    setAt(next);
    document.getElementById(`event-tab-${next}`)?.focus();
  };
  const { panel: Panel } = TABS[at]!;
  return (
    <>
      <div class="tabs" role="tablist" aria-label="Views of the event" onKeyDown={onKeyDown}>
        {TABS.map(({ name }, index) => (
          <button
            key={name}
            id={`event-tab-${index}`}
            type="button"
            role="tab"
            aria-selected={index === at}
            aria-controls="event-panel"
            tabIndex={index === at ? 0 : -1}
            onClick={() => setAt(index)}
          >
            {name}
          </button>
        ))}
      </div>
      <div id="event-panel" class="panel" role="tabpanel" aria-labelledby={`event-tab-${at}`}>
        <Panel event={event} />
      </div>
    </>
  );
}

function tabAfter(key: string, at: number): number | undefined {
  const last = TABS.length - 1;
  switch (key) {
    case 'ArrowRight':
      return at === last ? 0 : at + 1;
    case 'ArrowLeft':
      return at === 0 ? last : at - 1;
    case 'Home':
      return 0;
    case 'End':
      return last;
    default:
      return undefined;
  }
}
