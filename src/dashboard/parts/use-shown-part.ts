import { useEffect } from 'preact/hooks';
import { amend, place } from '../state/place.js';

/** Brings the part that the address names (`show=shards`) into view, once it is there, and then forgets its name. */
export function useShownPart(isThere: boolean): void {
  const part = place.value.parameters.get('show');
  useEffect(() => {
    if (!isThere || part === null) return;
    const element = document.getElementById(`show-${part}`);
    element?.scrollIntoView({ block: 'center' });
    element?.focus({ preventScroll: true });
    // Other changes of the address must not move the page again, and a second link to the part must.
    amend({ show: undefined });
  }, [isThere, part]);
}
