import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { messageOf } from '../text/message-of.js';
import { isConnected } from './session.js';

/** A value of the server that is asked for once. */
export type Asked<T> =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'answered'; readonly value: T }
  /** It is asked for again when the connection comes back. */
  | { readonly kind: 'failed'; readonly error: string };

const WAITING = { kind: 'waiting' } as const;

/**
 * `ask` is called where there is a `key`, once there is a connection, and again over the next one until there is an
 * answer. A new `key` starts anew; the answer to an earlier one is never shown for it.
 */
export function useAsked<T>(ask: () => Promise<T>, key: unknown): Asked<T> {
  const held = useSignal<{ readonly key: unknown; readonly asked: Asked<T> } | undefined>(
    undefined,
  );
  const isReachable = isConnected.value;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new `ask` comes with each rendering; `key` says when it differs.
  useEffect(() => {
    const last = held.peek();
    const isAnswered = last?.key === key && last?.asked.kind === 'answered';
    if (key === undefined || !isReachable || isAnswered) return;
    let isOver = false;
    const take = (asked: Asked<T>): void => {
      if (!isOver) held.value = { key, asked };
    };
    ask().then(
      (value) => take({ kind: 'answered', value }),
      (error) => take({ kind: 'failed', error: messageOf(error) }),
    );
    return () => {
      isOver = true;
    };
  }, [isReachable, key]);
  const { value } = held;
  return value !== undefined && value.key === key ? value.asked : WAITING;
}
