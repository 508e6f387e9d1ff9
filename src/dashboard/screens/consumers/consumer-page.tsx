import { useSignal } from '@preact/signals';
import type { ConsumerInfo } from 'millrace/client';
import { Notice } from '../../parts/notice.js';
import { hrefOf } from '../../state/place.js';
import { usePolled } from '../../state/polled.js';
import { client } from '../../state/session.js';
import { messageOf } from '../../text/message-of.js';
import { STATE_TAGS } from './consumer-columns.js';
import { stateOf, troublesOf } from './consumer-words.js';
import { DeadEvents } from './dead-events.js';
import { Definition, Figures } from './definition.js';
import { DeleteDialog } from './delete-dialog.js';
import { HeldKeys } from './held-keys.js';
import { lookOnlyText, mayManage } from './may-manage.js';
import { Members } from './members.js';
import { OpenEvents } from './open-events.js';
import { SeekForm } from './seek-form.js';
import { Troubles } from './troubles.js';

/** One consumer: what it is, how it does, and what a person may do with it. */

const POLL_MS = 1000;

export function ConsumerPage({ name }: { readonly name: string }) {
  const { value: info, error } = usePolled(
    async () => (await client().consumer(name)).info(),
    POLL_MS,
    name,
  ).value;
  return (
    <>
      <a href={hrefOf('consumers')}>All consumers</a>
      {error !== undefined && <Notice kind="bad">{error}</Notice>}
      {info === undefined ? (
        error === undefined && <p class="loading">Loading …</p>
      ) : (
        <Shown info={info} />
      )}
    </>
  );
}

function Shown({ info }: { readonly info: ConsumerInfo }) {
  const { name, definition, members } = info;
  const mayChange = mayManage(definition);
  const troubles = troublesOf(info);
  return (
    <>
      <section class="card" aria-labelledby="consumer-title">
        <header>
          <h2 id="consumer-title">{name}</h2>
          <span class={`tag ${STATE_TAGS[stateOf(info)]}`} role="status">
            {stateOf(info)}
          </span>
          {mayChange && <Acts info={info} />}
        </header>
        {troubles.length > 0 && (
          <div class="body">
            <Troubles troubles={troubles} />
          </div>
        )}
        <Figures info={info} />
        {!mayChange && <p class="body soft look-only">{lookOnlyText(definition)}</p>}
      </section>
      <Definition info={info} />
      <Members members={members} />
      <DeadEvents name={name} mayChange={mayChange} />
      {definition.order !== 'none' && <HeldKeys name={name} />}
      <OpenEvents name={name} mayChange={mayChange} />
      {mayChange && <SeekForm name={name} />}
    </>
  );
}

function Acts({ info: { name, paused } }: { readonly info: ConsumerInfo }) {
  const isBusy = useSignal(false);
  const fault = useSignal<string | undefined>(undefined);
  const isDeleted = useSignal(false);
  const turn = async (): Promise<void> => {
    isBusy.value = true;
    fault.value = undefined;
    try {
      const consumer = await client().consumer(name);
      await (paused ? consumer.resume() : consumer.pause());
    } catch (error) {
      fault.value = messageOf(error);
    } finally {
      isBusy.value = false;
    }
  };
  return (
    <>
      {fault.value !== undefined && (
        <span class="fault" role="alert">
          {fault.value}
        </span>
      )}
      <button type="button" disabled={isBusy.value} onClick={() => void turn()}>
        {paused ? 'Resume' : 'Pause'}
      </button>
      <button
        type="button"
        class="danger"
        onClick={() => {
          isDeleted.value = true;
        }}
      >
        Delete …
      </button>
      {isDeleted.value && (
        <DeleteDialog
          name={name}
          onClose={() => {
            isDeleted.value = false;
          }}
        />
      )}
    </>
  );
}
