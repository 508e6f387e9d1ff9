import type { AlertTransition } from 'millrace/client';
import { dateAndClock } from '../../text/format.js';

/** The last changes of alerts, the newest first. The server keeps 100. */
export function Transitions({ transitions }: { readonly transitions: readonly AlertTransition[] }) {
  return (
    <section class="card" aria-labelledby="transitions-title">
      <header>
        <h2 id="transitions-title">Last changes</h2>
      </header>
      {transitions.length === 0 ? (
        <p class="empty">No alert has begun or ceased to fire since the bus was opened.</p>
      ) : (
        <ul class="transitions">
          {transitions.toReversed().map(({ rule, state, at, text }) => (
            <li key={`${rule.name} ${state} ${at}`} class="transition">
              <time class="number soft" dateTime={at}>
                {dateAndClock(at).slice(0, 19)}
              </time>
              <span class={`tag ${state === 'firing' ? 'is-bad' : 'is-good'}`}>{state}</span>
              <span>
                <b>{rule.name}</b> {text}
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
