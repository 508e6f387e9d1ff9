/**
 * What a browser tells of its network and its page: when either is back, a client need not wait.
 * Elsewhere nothing is told.
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
  // Offline too: a server on the same machine stays, any other is found out soon.
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

/** As `watchPage`, for both ways that a page may turn. */
export function watchVisibility(onChange: () => void): () => void {
  const { document } = globalThis as Page;
  document?.addEventListener?.('visibilitychange', onChange);
  return () => document?.removeEventListener?.('visibilitychange', onChange);
}
