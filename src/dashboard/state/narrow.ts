import { signal } from '@preact/signals';

/** Whether the page is as narrow as on a phone; the style sheets use the same width. */
const narrow = matchMedia('(max-width: 40rem)');

export const isNarrow = signal(narrow.matches);

narrow.addEventListener('change', () => {
  isNarrow.value = narrow.matches;
});
