import { useSignal } from '@preact/signals';
import { findJsonFault } from 'millrace/client';
import { useEffect, useMemo } from 'preact/hooks';
import { addressOf } from '../../event/event-address.js';
import { ChipsField } from '../../parts/chips-field.js';
import { Icon } from '../../parts/icon.js';
import { Notice } from '../../parts/notice.js';
import { TextField } from '../../parts/text-field.js';
import { amendOn, place } from '../../state/place.js';
import { client, isConnected } from '../../state/session.js';
import { attributeFault } from '../../text/attribute-pair.js';
import { attributesFault, type Draft, EMPTY_DRAFT } from './draft.js';
import { amendDraft, bringBack, draft, fillForm, loadEvent, setAside } from './form-state.js';
import { OutcomeView } from './outcome-view.js';
import { PayloadField } from './payload-field.js';
import { isSending, send, sent } from './sent.js';
import { TopicField } from './topic-field.js';

/** The form for one event. Ctrl and Enter publish it from any field. */
export function PublishForm() {
  const { value: given } = draft;
  const { payload } = given;
  const payloadFault = useMemo(() => findJsonFault(payload), [payload]);
  const copyNote = useCopy();
  const attributeNote = attributesFault(given);
  const isReady =
    given.topic.trim() !== '' &&
    given.type.trim() !== '' &&
    payloadFault === undefined &&
    attributeNote === undefined;
  return (
    <form
      class="card publish-form"
      aria-label="One event"
      onSubmit={(event) => {
        event.preventDefault();
        if (isReady) void send(client(), draft.peek());
      }}
      onKeyDown={onPublishKeys}
    >
      {copyNote !== undefined && <Notice kind="warning">{copyNote}</Notice>}
      <SetAside />
      <div class="fields">
        <TopicField
          id="publish-topic"
          label="Topic"
          value={given.topic}
          onInput={(topic) => amendDraft({ topic })}
        />
        <TextField
          id="publish-type"
          label="Type"
          value={given.type}
          placeholder="order_created"
          onInput={(type) => amendDraft({ type })}
        />
      </div>
      <PayloadField draft={given} fault={payloadFault} />
      <details class="more" onInvalidCapture={openAroundFault}>
        <summary>Source, ids and attributes</summary>
        <MoreFields draft={given} />
      </details>
      {attributeNote !== undefined && <Notice kind="warning">{attributeNote}</Notice>}
      <Choices draft={given} />
      <Acts isReady={isReady} />
      {sent.value[0] !== undefined && <OutcomeView sent={sent.value[0]} />}
    </form>
  );
}

/** A browser that cannot show a field with a fault keeps the form back without a word. */
function openAroundFault({ currentTarget }: { readonly currentTarget: HTMLDetailsElement }): void {
  currentTarget.open = true;
}

/** Submits as the button does, so that a faulty field is told of. A key that is held down publishes once. */
function onPublishKeys(event: KeyboardEvent & { currentTarget: HTMLFormElement }): void {
  if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  if (!event.repeat) event.currentTarget.requestSubmit();
}

/** What was typed before another event took its place. */
function SetAside() {
  const { value } = setAside;
  if (value === undefined) return null;
  return (
    <Notice>
      The form held {value.type === '' ? 'an event' : value.type} that was not published.{' '}
      <button type="button" class="link" onClick={bringBack}>
        Bring it back
      </button>
    </Notice>
  );
}

function Acts({ isReady }: { readonly isReady: boolean }) {
  return (
    <div class="row acts">
      <button
        type="submit"
        class="primary"
        disabled={!isReady || isSending.value}
        title="Ctrl and Enter"
      >
        <Icon name="publish" />
        Publish
      </button>
      <button type="button" onClick={() => fillForm(EMPTY_DRAFT)}>
        Clear
      </button>
      {!isConnected.value && (
        <span class="soft">Not connected: a publish waits until the server is back.</span>
      )}
    </div>
  );
}

function MoreFields({ draft: given }: { readonly draft: Draft }) {
  return (
    <div class="fields">
      <TextField
        id="publish-source"
        label="Source"
        value={given.source}
        placeholder="dashboard"
        onInput={(source) => amendDraft({ source })}
      />
      <TextField
        id="publish-id"
        label="Id"
        value={given.id}
        placeholder="a new one"
        onInput={(id) => amendDraft({ id })}
      />
      <TextField
        id="publish-correlation"
        label="Correlation id"
        value={given.correlationId}
        onInput={(correlationId) => amendDraft({ correlationId })}
      />
      <TextField
        id="publish-causation"
        label="Causation id"
        value={given.causationId}
        onInput={(causationId) => amendDraft({ causationId })}
      />
      <ChipsField
        label="Attributes"
        placeholder="key=value"
        values={given.attributes}
        onChange={(attributes) => amendDraft({ attributes })}
        faultOf={attributeFault}
      />
    </div>
  );
}

function Choices({ draft: given }: { readonly draft: Draft }) {
  return (
    <div class="row choices">
      <label class="check">
        <input
          type="checkbox"
          checked={given.persist}
          onChange={(event) => amendDraft({ persist: event.currentTarget.checked })}
        />
        Store it
      </label>
      <label class="check" for="publish-durability">
        Durability
      </label>
      <select
        id="publish-durability"
        value={given.durability}
        disabled={!given.persist}
        onChange={(event) =>
          amendDraft({ durability: event.currentTarget.value === 'written' ? 'written' : 'synced' })
        }
      >
        <option value="synced">synced: survives power loss</option>
        <option value="written">written: survives the end of the process</option>
      </select>
    </div>
  );
}

/** Fills the form with the event that the address names, `copy=TOPIC/ID@SOURCE`, once. Returns what to know of it. */
function useCopy(): string | undefined {
  const note = useSignal<string | undefined>(undefined);
  const text = place.value.parameters.get('copy') ?? '';
  // biome-ignore lint/correctness/useExhaustiveDependencies: `note` stays the same signal.
  useEffect(() => {
    if (text === '') return;
    const address = addressOf(text);
    amendOn('publish', { copy: undefined });
    if (address === undefined) {
      note.value = `"${text}" names no event; an event is TOPIC/ID@SOURCE.`;
      return;
    }
    void loadEvent(client(), address).then((told) => {
      note.value = told;
    });
  }, [text]);
  return note.value;
}
