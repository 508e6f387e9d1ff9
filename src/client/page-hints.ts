/**
 * Hints from a browser that its network or its page is back, so that a client need not wait any longer. Other platforms
 * give none.
 */
interface Target {
  addEventListener?(type: string, listener: () => void): void;
  removeEventListener?(type: string, listener: () => void): void;
}

interface Page extends Target {
  readonly document?: Target & { readonly visibilityState?: string };
}

/** Calls `onChange` until the function that it returns is called. */
export function watchPage(onChange: () => void): () => void {
  const page = globalThis as Page;
  const { document } = page;
  const onVisibility = (): void => {
    if (!isPageHidden()) onChange();
  };
  // `offline` too: the probe that follows soon tells whether the server can still be reached, as one on the same
  // machine can.
  page.addEventListener?.('online', onChange);
  page.addEventListener?.('offline', onChange);
  document?.addEventListener?.('visibilitychange', onVisibility);
  return () => {
    page.removeEventListener?.('online', onChange);
    page.removeEventListener?.('offline', onChange);
    document?.removeEventListener?.('visibilitychange', onVisibility);
  };
}

export function isPageHidden(): boolean {
  return (globalThis as Page).document?.visibilityState === 'hidden';
}

/** Calls `onChange` when the page is hidden and when it is shown, until the function that it returns is called. */
export function watchVisibility(onChange: () => void): () => void {
  const { document } = globalThis as Page;
  document?.addEventListener?.('visibilitychange', onChange);
  return () => document?.removeEventListener?.('visibilitychange', onChange);
}
