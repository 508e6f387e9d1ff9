/** The part of either platform that is used here. */
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
 * Calls once timers and sockets have had their time. In Node by `setImmediate`: a `MessagePort` there takes what is posted meanwhile
 * in the same go. Browsers have none; they hold back the timers of a hidden page for up to a minute, but no message.
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
