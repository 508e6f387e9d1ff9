import type { ShownPage } from './use-page.js';

/** The ways from one page of a list to others; nothing where there is one page only. */
export function PageButtons({
  page: { isFirst, onFirst, onNext },
  of,
}: {
  readonly page: ShownPage<unknown>;
  /** What the pages hold: `dead events`. */
  readonly of: string;
}) {
  if (isFirst && onNext === undefined) return null;
  return (
    <nav class="row body" aria-label={`Pages of ${of}`}>
      <button type="button" disabled={isFirst} onClick={onFirst}>
        First page
      </button>
      <button type="button" disabled={onNext === undefined} onClick={onNext}>
        Next page
      </button>
    </nav>
  );
}
