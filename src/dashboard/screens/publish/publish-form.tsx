import { useSignal } from '@preact/signals';
import { findJsonFault } from 'millrace/client';
import { useEffect, useMemo } from 'preact/hooks';
import { addressOf, type EventAddress } from '../../event/event-address.js';
import { ChipsField } from '../../parts/chips-field.js';
import { Icon } from '../../parts/icon.js';
import { Notice } from '../../parts/notice.js';
import { TextField } from '../../parts/text-field.js';
import { amend, place } from '../../state/place.js';
import { client, isConnected } from '../../state/session.js';
import { attributeFault } from '../../text/attribute-pair.js';
import { type Draft, EMPTY_DRAFT } from './draft.js';
import { amendDraft, draft, learnDefinitions, loadEvent } from './form-state.js';
import { OutcomeView } from './outcome-view.js';
import { PayloadField } from './payload-field.js';
import { send, sent } from './sent.js';
import { TopicField } from './topic-field.js';

/** The form for one event. Ctrl and Enter publish it from any field. */
export function PublishForm() {
  const { value: given } = draft;
  const fault = useSignal<string | undefined>(undefined);
  const { payload } = given;
  const payloadFault = useMemo(() => findJsonFault(payload), [payload]);
  useCopy((text) => {
    fault.value = text;
  });
  useEffect(() => void learnDefinitions(client()), []);
  const isReady =
    given.topic.trim() !== '' && given.type.trim() !== '' && payloadFault === undefined;
  const publish = (): void => {
    if (isReady) void send(client(), draft.peek());
  };
  return (
    <form
      class="card publish-form"
      aria-label="One event"
      onSubmit={(event) => {
        event.preventDefault();
        publish();
      }}
      onKeyDown={(event) => {
        if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) publish();
      }}
    >
      {fault.value !== undefined && <Notice kind="warning">{fault.value}</Notice>}
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
      <details class="more">
        <summary>Source, ids and attributes</summary>
        <MoreFields draft={given} />
      </details>
      <Choices draft={given} />
      <div class="row acts">
        <button type="submit" class="primary" disabled={!isReady} title="Ctrl and Enter">
          <Icon name="publish" />
          Publish
        </button>
        <button
          type="button"
          onClick={() => {
            draft.value = EMPTY_DRAFT;
          }}
        >
          Clear
        </button>
        {!isConnected.value && (
          <span class="soft">Not connected: a publish waits until the server is back.</span>
        )}
      </div>
      {sent.value[0] !== undefined && <OutcomeView sent={sent.value[0]} />}
    </form>
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

/** Fills the form with the event that the address names, `copy=TOPIC/ID@SOURCE`, once. */
function useCopy(onFault: (text: string | undefined) => void): void {
  const { parameters } = place.value;
  const text = parameters.get('copy') ?? '';
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new event is loaded when the address names another one.
  useEffect(() => {
    if (text === '') return;
    const address: EventAddress | undefined = addressOf(text);
    amend({ copy: undefined });
    if (address === undefined) onFault(`"${text}" names no event; an event is TOPIC/ID@SOURCE.`);
    else void loadEvent(client(), address).then(onFault);
  }, [text]);
}
