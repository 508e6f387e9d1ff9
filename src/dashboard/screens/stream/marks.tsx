/** What the marks of an event in the list mean. */
export const MARKS = {
  ephemeral: 'Delivered live and not stored.',
  again: 'An event with this topic, source and id is further up.',
} as const;

/** Says it for the keyboard, for touch and for screen readers, none of which reach the tip of a mark. */
export function MarksLegend() {
  return (
    <details class="legend">
      <summary>What marks mean</summary>
      <dl>
        <div>
          <dt class="tag">ephemeral</dt>
          <dd>{MARKS.ephemeral}</dd>
        </div>
        <div>
          <dt class="tag is-warning">again</dt>
          <dd>{MARKS.again}</dd>
        </div>
      </dl>
    </details>
  );
}
