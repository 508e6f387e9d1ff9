import { useSignal } from '@preact/signals';
import type { RedriveOptions, RedriveResult } from 'millrace/client';
import { useModal } from '../../parts/use-modal.js';
import { useAsked } from '../../state/asked.js';
import { client } from '../../state/session.js';
import { counted } from '../../text/format.js';
import { messageOf } from '../../text/message-of.js';

/** Makes dead events open again. What would come again is asked for and shown first. */

interface RedriveDialogProps {
  readonly name: string;
  /** Undefined: all dead events. The same list for as long as the dialog is there. */
  readonly ids: readonly string[] | undefined;
  readonly onClose: () => void;
}

/** Of so many events the dialog names the ids. */
const NAMED_MAX = 10;

export function RedriveDialog({ name, ids, onClose }: RedriveDialogProps) {
  const dialog = useModal();
  const redrive = async (options: RedriveOptions): Promise<RedriveResult> =>
    (await client().consumer(name)).redrive(ids === undefined ? options : { ...options, ids });
  const dry = useAsked(() => redrive({ dryRun: true }), ids ?? name);
  const isBusy = useSignal(false);
  const fault = useSignal<string | undefined>(undefined);
  const done = useSignal<RedriveResult | undefined>(undefined);
  const confirm = async (): Promise<void> => {
    isBusy.value = true;
    fault.value = undefined;
    try {
      done.value = await redrive({});
    } catch (error) {
      fault.value = messageOf(error);
    } finally {
      isBusy.value = false;
    }
  };
  const isAgain = done.value?.isComplete === false;
  const wouldCome =
    dry.kind === 'answered' && (dry.value.redriven.length > 0 || !dry.value.isComplete);
  return (
    <dialog ref={dialog} class="confirm" aria-labelledby="redrive-title" onClose={onClose}>
      <h2 id="redrive-title">
        {ids === undefined ? 'Redrive all dead events?' : 'Redrive the chosen events?'}
      </h2>
      <div role="status">
        {done.value !== undefined && <Done result={done.value} />}
        {done.value === undefined && dry.kind === 'waiting' && (
          <p>Asking what would come again …</p>
        )}
        {done.value === undefined && dry.kind === 'answered' && (
          <Plan result={dry.value} isAll={ids === undefined} />
        )}
      </div>
      {dry.kind === 'failed' && <Fault text={dry.error} />}
      {fault.value !== undefined && <Fault text={fault.value} />}
      <div class="row">
        <button type="button" onClick={onClose}>
          {done.value === undefined ? 'Cancel' : 'Close'}
        </button>
        {(done.value === undefined || isAgain) && (
          <button
            type="button"
            class="danger"
            disabled={isBusy.value || !wouldCome}
            onClick={() => void confirm()}
          >
            {isAgain ? 'Redrive the others' : 'Redrive'}
          </button>
        )}
      </div>
    </dialog>
  );
}

function Fault({ text }: { readonly text: string }) {
  return (
    <p class="fault" role="alert">
      {text}
    </p>
  );
}

function Plan({ result, isAll }: { readonly result: RedriveResult; readonly isAll: boolean }) {
  const { redriven, isComplete } = result;
  const further = redriven.length - NAMED_MAX;
  return (
    <>
      <p>
        {counted(redriven.length, 'event')} would come again, with no attempts counted and out of
        their key's old order.
        {isAll && ' What dies until you confirm comes with them.'}
      </p>
      <ul class="named">
        {redriven.slice(0, NAMED_MAX).map(({ id, topic, shard, sequence }) => (
          <li key={`${shard}:${sequence}`} class="mono">
            {id} <span class="soft">{topic}</span>
          </li>
        ))}
      </ul>
      {further > 0 && <p class="soft">And {counted(further, 'more event')}.</p>}
      <Unknown result={result} />
      {!isComplete && <p>Others cannot come again now: too many redriven events are open.</p>}
    </>
  );
}

function Done({ result }: { readonly result: RedriveResult }) {
  const { redriven, isComplete } = result;
  return (
    <>
      <p>{counted(redriven.length, 'event')} will come again.</p>
      <Unknown result={result} />
      {!isComplete && (
        <p>
          Others are still dead, because too many redriven events are open. Redrive them once some
          of these are done.
        </p>
      )}
    </>
  );
}

function Unknown({ result: { unknown } }: { readonly result: RedriveResult }) {
  if (unknown.length === 0) return null;
  return <p>{counted(unknown.length, 'chosen event')} cannot come again: dead no more.</p>;
}
