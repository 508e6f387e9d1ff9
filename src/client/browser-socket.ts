import type { OpenSocket, Socket, SocketListener, SocketOptions } from './socket.js';

/** The platform's own WebSocket: browsers, their workers, Deno. */

/** The part of the standard interface that is used here; the build knows no DOM. */
interface PlatformSocket {
  readonly readyState: number;
  binaryType: string;
  onopen: (() => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null;
  onerror: (() => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}

interface Platform {
  readonly WebSocket?: new (url: string, protocol: string) => PlatformSocket;
}

const OPEN = 1;

export const openSocket: OpenSocket = (options, listener) => new BrowserSocket(options, listener);

class BrowserSocket implements Socket {
  readonly #socket: PlatformSocket;

  constructor({ url, protocol }: SocketOptions, listener: SocketListener) {
    const { WebSocket } = globalThis as Platform;
    if (WebSocket === undefined) throw new Error('this platform has no WebSocket');
    const socket = new WebSocket(url, protocol);
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => listener.onOpen();
    socket.onmessage = ({ data }) => {
      if (typeof data === 'string') listener.onText(data);
      else listener.onBinary();
    };
    socket.onclose = ({ code, reason }) => listener.onClose(code, reason);
  }

  send(text: string): void {
    if (this.#socket.readyState === OPEN) this.#socket.send(text);
  }

  close(code: number, reason: string): void {
    const socket = this.#socket;
    // The server may be gone, so its close frame is not waited for.
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close(code, reason);
  }
}
