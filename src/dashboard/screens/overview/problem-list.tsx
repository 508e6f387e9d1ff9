import { hrefOf } from '../../state/place.js';
import { counted } from '../../text/format.js';
import type { Problem } from './problem.js';

/** The faults of the bus on top of the overview, or one line where there are none. */

/** How many are listed. */
const LISTED_MAX = 12;

const WORDS = { bad: 'Fault', warning: 'Warning', info: 'Note' } as const;

export function ProblemList({ problems }: { readonly problems: readonly Problem[] }) {
  if (problems.length === 0) {
    return (
      <p class="card well" role="status">
        <i class="dot is-good" aria-hidden="true" /> All is well: every shard runs, and every
        subscription keeps up.
      </p>
    );
  }
  const more = problems.length - LISTED_MAX;
  return (
    <ul class="card problems" aria-label="What is wrong now">
      {problems.slice(0, LISTED_MAX).map(({ severity, text, link }, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the text changes with its figures, and the link has to stay the same element while it is clicked.
        <li key={index} class={`problem is-${severity}`}>
          <span class={`tag is-${severity}`}>{WORDS[severity]}</span>
          <a href={hrefOf(link.screen, link.parameters)}>{text}</a>
        </li>
      ))}
      {more > 0 && <li class="problem soft">{counted(more, 'more problem')}</li>}
    </ul>
  );
}
