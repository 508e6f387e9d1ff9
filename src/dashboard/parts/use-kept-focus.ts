import type { RefObject } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

/**
 * A list that is asked for again and again may lose the row that has the focus. The browser then forgets where the
 * keyboard was; with this the screen takes the focus, as it does where a dialog has nothing to give it back to.
 */
export function useKeptFocus<T extends HTMLElement>(): RefObject<T | null> {
  const box = useRef<T>(null);
  const held = useRef<Element | undefined>(undefined);
  useLayoutEffect(() => {
    const element = box.current!;
    const note = ({ target }: FocusEvent): void => {
      held.current = target as Element;
    };
    const forget = ({ relatedTarget }: FocusEvent): void => {
      if (relatedTarget !== null) held.current = undefined;
    };
    element.addEventListener('focusin', note);
    element.addEventListener('focusout', forget);
    return () => {
      element.removeEventListener('focusin', note);
      element.removeEventListener('focusout', forget);
    };
  }, []);
  useLayoutEffect(() => {
    if (held.current === undefined || held.current.isConnected) return;
    held.current = undefined;
    if (document.activeElement !== document.body) return;
    document.getElementById('screen')?.focus({ preventScroll: true });
  });
  return box;
}
