/**
 * The part of a WebSocket that the client uses, small enough for the browser's and for the package `ws`. The `imports`
 * of `package.json` (`#socket`) choose the implementation, so a browser's bundle does not contain Node's.
 */
export interface Socket {
  /** Sends a message; does nothing unless the socket is open. */
  send(text: string): void;
  /** Closes the socket with the code 1000 or one from 3000 to 4999. `onClose` is not called any more. */
  close(code: number, reason: string): void;
  /** Stops reading until `resume()`. Absent in browsers, which cannot. */
  pause?(): void;
  resume?(): void;
}

export interface SocketListener {
  onOpen(): void;
  onText(text: string): void;
  onBinary(): void;
  /** The other side has shown that it is there, without a message. */
  onSign(): void;
  /**
   * Called once, unless `close` was called before. `cause`: a `BusError` if the server refused the connection, else the
   * platform's own error, if it gave one.
   */
  onClose(code: number, reason: string, cause?: Error): void;
}

export interface SocketOptions {
  readonly url: string;
  readonly protocol: string;
  /** A longer message ends the connection, where the platform can tell before it has arrived whole. */
  readonly maxFrameBytes: number;
}

export type OpenSocket = (options: SocketOptions, listener: SocketListener) => Socket;
