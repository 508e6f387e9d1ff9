/** The parts of Node and of browsers that are used here. */
interface Platform {
  readonly setImmediate?: (call: () => void) => void;
  readonly MessageChannel?: new () => unknown;
}

interface Channel {
  readonly port1: { onmessage: (() => void) | null };
  readonly port2: { postMessage(value: unknown): void };
}

const calls: (() => void)[] = [];
let channel: Channel | undefined;

/**
 * Makes the call after timers and sockets have had their time. Node has `setImmediate` for that; its `MessagePort`
 * would also handle, in the same round, messages that are posted meanwhile. Browsers have only `MessagePort` and
 * timers, and hold back the timers of a hidden page for up to a minute, but not messages.
 */
export function afterOthers(call: () => void): void {
  const { setImmediate: immediately, MessageChannel: ChannelOf } = globalThis as Platform;
  if (immediately !== undefined) immediately(call);
  else if (ChannelOf === undefined) setTimeout(call, 0);
  else {
    channel ??= openChannel(new ChannelOf() as Channel);
    calls.push(call);
    channel.port2.postMessage(undefined);
  }
}

function openChannel(opened: Channel): Channel {
  opened.port1.onmessage = () => calls.shift()?.();
  return opened;
}
