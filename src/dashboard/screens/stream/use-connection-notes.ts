import { useEffect, useRef } from 'preact/hooks';
import { connectionState } from '../../state/session.js';
import type { Tail } from './tail.js';

/** Notes in the list where the connection was lost and where it came back. */
export function useConnectionNotes(tail: Tail): void {
  const isConnected = connectionState.value === 'connected';
  const wasConnected = useRef(isConnected);
  const isLossTold = useRef(false);
  useEffect(() => {
    if (wasConnected.current === isConnected) return;
    wasConnected.current = isConnected;
    const isOn = tail.isOn;
    if (isConnected && isLossTold.current && isOn) {
      tail.note('Connected again. The stream goes on where it was.');
    }
    if (!isConnected && isOn)
      tail.note('The connection was lost. The page tries to connect again.');
    isLossTold.current = !isConnected && isOn;
  }, [isConnected, tail]);
}
