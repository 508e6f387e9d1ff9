/**
 * What the client needs of a WebSocket, small enough for the browser's and for the package `ws`. Both
 * forms of it are chosen by the package's `imports` (`#socket`), so a browser's bundle never sees
 * Node's.
 */
export interface Socket {
  /** After the end it does nothing. */
  send(text: string): void;
  /** Says goodbye, with a code from 3000 to 4999 or 1000. `onClose` is not called any more. */
  close(code: number, reason: string): void;
  /** Reads no further until `resume()`. Absent where the platform cannot: a browser reads on. */
  pause?(): void;
  resume?(): void;
}

export interface SocketListener {
  onOpen(): void;
  onText(text: string): void;
  onBinary(): void;
  /** The other side lives, though it has sent no message. */
  onSign(): void;
  /**
   * Once, unless `close` was called before. `cause`: a `BusError` if the server refused the connection, else the
   * platform's own error, if it gave one.
   */
  onClose(code: number, reason: string, cause?: Error): void;
}

export interface SocketOptions {
  readonly url: string;
  readonly protocol: string;
  /** Longer messages end the connection, where the platform can tell before they are whole. */
  readonly maxFrameBytes: number;
}

export type OpenSocket = (options: SocketOptions, listener: SocketListener) => Socket;
