import type { Event } from 'millrace/client';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { Icon } from '../parts/icon.js';
import { Notice } from '../parts/notice.js';
import { access } from '../state/access.js';
import { isNarrow } from '../state/narrow.js';
import { publishAgain } from './copied-event.js';
import { Envelope } from './envelope.js';
import { textOf } from './event-address.js';
import { EventTabs } from './event-tabs.js';
import { hideEvent, shownAddress } from './shown-event.js';
import { useShownEvent } from './use-shown-event.js';
import './event-drawer.css';

/** One event, beside the screen, or over it on a phone. Escape closes it. */
export default function EventDrawer() {
  const dialog = useRef<HTMLDialogElement>(null);
  const modal = isNarrow.value;
  const shown = useShownEvent();
  const event = shown.kind === 'answered' ? shown.value : undefined;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the dialog is opened anew when the page becomes narrow or wide.
  useLayoutEffect(() => {
    const element = dialog.current!;
    const before = document.activeElement;
    if (modal) element.showModal();
    else element.show();
    return () => {
      element.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, [modal]);
  useEscape(modal);
  const address = shownAddress.value;
  return (
    <dialog
      ref={dialog}
      class="event-drawer"
      aria-labelledby="event-title"
      onCancel={(cancel) => {
        cancel.preventDefault();
        hideEvent();
      }}
    >
      <header>
        <h2 id="event-title" class="ellipsis">
          {event?.type ?? 'Event'}
        </h2>
        <button type="button" class="quiet" onClick={hideEvent} title="Close (Escape)">
          <Icon name="close" />
          <span class="hidden">Close the event</span>
        </button>
      </header>
      {shown.kind === 'failed' && <Notice kind="bad">{shown.error}</Notice>}
      {shown.kind === 'waiting' && <p class="loading">Loading …</p>}
      {shown.kind === 'answered' && event === undefined && (
        <Notice>
          There is no stored event {address?.id} on {address?.topic} that you may read. Ephemeral
          events are not stored, and retention removes old ones.
        </Notice>
      )}
      {event !== undefined && <Body key={textOf(event)} event={event} />}
    </dialog>
  );
}

function Body({ event }: { readonly event: Event }) {
  return (
    <div class="event-body">
      <Envelope event={event} />
      <PublishAgain event={event} />
      <EventTabs event={event} />
    </div>
  );
}

/** Opens the form for publishing, filled with this event. */
function PublishAgain({ event }: { readonly event: Event }) {
  const { mayPublish, mayOpen } = access.value;
  if (!mayPublish || !mayOpen('publish')) return null;
  return (
    <p class="event-acts">
      <button type="button" onClick={() => publishAgain(event)}>
        <Icon name="publish" />
        Publish again …
      </button>
    </p>
  );
}

/** A drawer beside the screen gets no `cancel` from the browser. */
function useEscape(modal: boolean): void {
  useEffect(() => {
    if (modal) return;
    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.key === 'Escape' && !event.defaultPrevented && !isForAnother(event)) hideEvent();
    };
    document.addEventListener('keydown', onKeyDown);
    return () => document.removeEventListener('keydown', onKeyDown);
  }, [modal]);
}

/** A question above the drawer takes the key for itself, and so does a search that has a text to be cleared. */
function isForAnother({ target }: KeyboardEvent): boolean {
  if (document.querySelector('dialog:modal') !== null) return true;
  return target instanceof HTMLInputElement && target.type === 'search' && target.value !== '';
}
