import type { ComponentChildren } from 'preact';

/** A message about the screen as a whole. A `bad` one is read out at once. */
export function Notice({
  kind = 'plain',
  children,
}: {
  readonly kind?: 'plain' | 'warning' | 'bad';
  readonly children: ComponentChildren;
}) {
  return (
    <div class={`notice is-${kind}`} role={kind === 'bad' ? 'alert' : undefined}>
      {children}
    </div>
  );
}
