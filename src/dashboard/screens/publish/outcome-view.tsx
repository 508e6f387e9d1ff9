import { BusError, type PublishAck } from 'millrace/client';
import { showEventOf } from '../../event/shown-event.js';
import { duration } from '../../text/format.js';
import { messageOf } from '../../text/message-of.js';
import type { Sent } from './sent.js';

/** The answer to a publish: every field of the ack, or the error with its code and details. */
export function OutcomeView({ sent }: { readonly sent: Sent }) {
  const { outcome } = sent;
  return (
    <section class="outcome" aria-label="Answer" role="status">
      {outcome.kind === 'waiting' && <p class="soft">Waiting for the ack …</p>}
      {outcome.kind === 'acked' && (
        <Ack ack={outcome.ack} tookMs={outcome.tookMs} source={sent.source} />
      )}
      {outcome.kind === 'refused' && <Refusal error={outcome.error} />}
    </section>
  );
}

interface AckProps {
  readonly ack: PublishAck;
  readonly tookMs: number;
  readonly source: string;
}

function Ack({ ack, tookMs, source }: AckProps) {
  const { topic, id } = ack;
  // The event that a duplicate repeats may be of another source.
  const address = ack.duplicate ? { topic, id } : { topic, id, source };
  const facts = [
    ['Id', ack.id],
    ['Topic', ack.topic],
    ['Shard', ack.shard],
    ['Sequence', ack.sequence ?? 'none: it is ephemeral'],
    ['Durability', ack.durability],
    ['Duplicate', ack.duplicate ? 'yes: the bus had stored this id on this topic before' : 'no'],
    ['Cursor', ack.cursor ?? 'none'],
  ] as const;
  return (
    <>
      <p class="row">
        <span class={`tag ${ack.duplicate ? 'is-warning' : 'is-good'}`}>
          {ack.duplicate ? 'duplicate' : 'published'}
        </span>
        <span class="soft">acknowledged after {duration(tookMs)}</span>
        {ack.sequence !== undefined && (
          <button type="button" class="link" onClick={() => showEventOf(address)}>
            Open it
          </button>
        )}
      </p>
      <dl>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd class="mono">{value}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

function Refusal({ error }: { readonly error: unknown }) {
  const details = error instanceof BusError ? error.details : undefined;
  return (
    <div class="notice is-bad">
      <p>{messageOf(error)}</p>
      {details !== undefined && <pre>{JSON.stringify(details, null, 2)}</pre>}
    </div>
  );
}
