import { useEffect, useRef } from 'preact/hooks';
import { connectionState } from '../../state/session.js';
import type { Tail } from './tail.js';

/** Notes in the list where the connection was lost and where it came back. */
export function useConnectionNotes(tail: Tail): void {
  const isConnected = connectionState.value === 'connected';
  const wasConnected = useRef(isConnected);
  useEffect(() => {
    if (wasConnected.current === isConnected) return;
    wasConnected.current = isConnected;
    const isFirst = tail.counts.looked === 0 && isConnected;
    if (tail.state.peek().kind === 'paused' || isFirst) return;
    tail.note(
      isConnected
        ? 'Connected again. The stream goes on where it was; no stored event is missing.'
        : 'The connection was lost. The page tries to connect again.',
    );
  }, [isConnected, tail]);
}
