import { type ReadonlySignal, useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { messageOf } from '../text/message-of.js';
import { isConnected } from './session.js';

/** A value of the server, asked for again and again while its screen is shown and the page is visible. */
export interface Polled<T> {
  /** The last answer. It stays while the server cannot be reached. */
  readonly value: T | undefined;
  /** The reason why the last try failed. */
  readonly error: string | undefined;
}

/**
 * `ask` is called at once, then `everyMs` after each answer; a function says it of the last one. A new `key` starts anew
 * and forgets the last answer.
 */
export function usePolled<T>(
  ask: (last: T | undefined) => Promise<T>,
  everyMs: number | ((last: T | undefined) => number),
  key = '',
): ReadonlySignal<Polled<T>> {
  const polled = useSignal<Polled<T>>({ value: undefined, error: undefined });
  const isReachable = isConnected.value;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new `ask` comes with each rendering; `key` says when it differs.
  useEffect(() => {
    polled.value = { value: undefined, error: undefined };
  }, [key]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: as above.
  useEffect(() => {
    if (!isReachable) return;
    let timer: number | undefined;
    let isOver = false;
    const poll = async (): Promise<void> => {
      timer = undefined;
      const answer = document.hidden ? polled.value : await answerOf(ask, polled.value);
      // The answer may belong to an earlier key.
      if (isOver) return;
      polled.value = answer;
      const waitMs = typeof everyMs === 'number' ? everyMs : everyMs(answer.value);
      timer = window.setTimeout(poll, waitMs);
    };
    const onVisible = (): void => {
      if (document.hidden || timer === undefined) return;
      clearTimeout(timer);
      void poll();
    };
    void poll();
    document.addEventListener('visibilitychange', onVisible);
    return () => {
      isOver = true;
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', onVisible);
    };
  }, [isReachable, key]);
  return polled;
}

async function answerOf<T>(
  ask: (last: T | undefined) => Promise<T>,
  last: Polled<T>,
): Promise<Polled<T>> {
  try {
    return { value: await ask(last.value), error: undefined };
  } catch (error) {
    return { value: last.value, error: messageOf(error) };
  }
}
