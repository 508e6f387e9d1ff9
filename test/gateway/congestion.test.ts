import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Congestion } from '../../src/gateway/congestion.js';
import { PRESSED_OUTBOUND_BYTES_MAX } from '../../src/protocol/limits/gateway.js';

const LIMITS = { maxOutboundBytes: 1_000_000, stallMs: 10_000, minDrainBytesPerSecond: 4096 };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function opened() {
  const transport = { isOpen: true, bufferedBytes: 0 };
  const owner = { onStalled: vi.fn(), onCongestionChange: vi.fn() };
  const congestion = new Congestion(transport, LIMITS, owner);
  const buffer = (bytes: number): void => {
    transport.bufferedBytes = bytes;
    congestion.check();
  };
  /** The transport has sent so many bytes. */
  const leave = (bytes: number): void => {
    transport.bufferedBytes -= bytes;
    congestion.noteSent();
  };
  return { transport, owner, congestion, buffer, leave };
}

describe('a client', () => {
  it('is congested above the bound, counting kept and buffered bytes, until half of the bound has left', async () => {
    const { congestion, buffer, leave, owner } = opened();
    buffer(600_000);
    congestion.keep(400_000);
    expect(congestion.isCongested).toBe(false);
    congestion.keep(1);
    expect(congestion.isCongested).toBe(true);
    congestion.keep(-400_001);
    const relieved = congestion.relieved();
    leave(99_999);
    expect(congestion.isCongested).toBe(true);
    leave(1);
    expect(congestion.isCongested).toBe(false);
    await relieved;
    expect(owner.onCongestionChange).toHaveBeenCalledTimes(2);
    congestion.end();
  });

  it('has a lower bound while its principal holds all its bytes; its waiting bytes count there', () => {
    const { congestion, buffer } = opened();
    let held = 0;
    congestion.account = { isPressed: true, bytes: { hold: (bytes) => void (held += bytes) } };
    buffer(PRESSED_OUTBOUND_BYTES_MAX);
    expect(congestion.isCongested).toBe(false);
    buffer(PRESSED_OUTBOUND_BYTES_MAX + 1);
    expect(congestion.isCongested).toBe(true);
    expect(held).toBe(PRESSED_OUTBOUND_BYTES_MAX + 1);
    congestion.end();
  });

  it('has stalled if it takes too little while it is congested', () => {
    for (const [bytes, stalls] of [
      [1, 1],
      [5000, 0],
    ] as const) {
      const { buffer, leave, owner, congestion } = opened();
      buffer(1_000_001);
      for (let second = 0; second < 11; second++) {
        leave(bytes);
        vi.advanceTimersByTime(1000);
      }
      expect(owner.onStalled).toHaveBeenCalledTimes(stalls);
      congestion.end();
    }
  });

  it('holds up no producer once it is gone; bytes that its cut socket drops do not count as sent', async () => {
    const { transport, congestion, buffer, leave, owner } = opened();
    buffer(2_000_000);
    const relieved = congestion.relieved();
    transport.isOpen = false;
    leave(2_000_000);
    expect(owner.onCongestionChange).toHaveBeenCalledTimes(1);
    congestion.end();
    await relieved;
    vi.advanceTimersByTime(60_000);
    expect(owner.onStalled).not.toHaveBeenCalled();
  });
});
