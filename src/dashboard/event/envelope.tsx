import type { Event } from 'millrace/client';
import type { ComponentChildren } from 'preact';
import { access } from '../state/access.js';
import { hrefOf, type Parameters, screenNamed } from '../state/place.js';
import { dateAndClock } from '../text/format.js';
import { CopyButton } from './copy-button.js';
import { showEventOf } from './shown-event.js';

/** What an event is beside its payload, with the ways to what belongs to it. */
export function Envelope({ event }: { readonly event: Event }) {
  const { correlationId, causationId, attributes, sequence } = event;
  return (
    <dl class="envelope">
      <Fact name="Topic">
        <To screen="stream" parameters={{ topic: event.topic }}>
          {event.topic}
        </To>
      </Fact>
      <Fact name="Id">
        <span class="mono">{event.id}</span> <CopyButton what="the id" text={() => event.id} />
      </Fact>
      <Fact name="Time">
        <time dateTime={event.timestamp} title={event.timestamp}>
          {dateAndClock(event.timestamp)}
        </time>
      </Fact>
      <Fact name="Source">
        <To screen="stream" parameters={{ source: event.source }}>
          {event.source}
        </To>
      </Fact>
      <Fact name="Place">
        {sequence === undefined ? (
          <span class="tag">ephemeral: delivered live and not stored</span>
        ) : (
          `shard ${event.shard}, sequence ${sequence}`
        )}
      </Fact>
      {correlationId !== undefined && (
        <Fact name="Correlation">
          <To screen="trace" parameters={{ correlationId }}>
            {correlationId}
          </To>
        </Fact>
      )}
      {causationId !== undefined && (
        <Fact name="Cause">
          <button
            type="button"
            class="link mono"
            onClick={() => showEventOf({ topic: '*', id: causationId })}
          >
            {causationId}
          </button>
        </Fact>
      )}
      {attributes !== undefined && (
        <Fact name="Attributes">
          <ul class="row">
            {Object.entries(attributes).map(([key, value]) => (
              <li key={key} class="tag">
                {key}={value}
              </li>
            ))}
          </ul>
        </Fact>
      )}
    </dl>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

interface ToProps {
  readonly screen: string;
  readonly parameters: Parameters;
  readonly children: string;
}

/** A link to a screen, or only the text where the page has no such screen or may not open it. */
function To({ screen, parameters, children }: ToProps) {
  const name = screenNamed(screen);
  if (name === undefined || !access.value.mayOpen(name)) return <span>{children}</span>;
  return <a href={hrefOf(name, parameters)}>{children}</a>;
}
