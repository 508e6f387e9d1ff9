import type { ComponentChildren } from 'preact';

/** A box that scrolls sideways on a phone, for a table of one page. */
export function Scrolled({
  label,
  children,
}: {
  readonly label: string;
  readonly children: ComponentChildren;
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls has to take the keys.
    <section class="scrolled" tabIndex={0} aria-label={label}>
      {children}
    </section>
  );
}
