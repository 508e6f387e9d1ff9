import type { Trouble } from './consumer-words.js';

/** What is wrong with one consumer. */
export function Troubles({ troubles }: { readonly troubles: readonly Trouble[] }) {
  return (
    <ul class="troubles">
      {troubles.map(({ kind, text }) => (
        <li key={text} class={`is-${kind}`}>
          {text}
        </li>
      ))}
    </ul>
  );
}
