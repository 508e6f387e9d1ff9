import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { ErrorData } from '../protocol/errors.js';
import {
  AUTHENTICATE_FRAME_BYTES_MAX,
  REFUSAL_TOLD_MS,
  REFUSALS_TOLD_MAX,
} from '../protocol/limits.js';
import { WIRE_PROTOCOL } from '../protocol/wire.js';
import { frameText } from './websocket/frames.js';

/**
 * Tells a page why its upgrade is refused. Browsers keep the status of a refused upgrade from the page, so the upgrade is
 * taken, an `error` frame says why, and the socket is closed. Nothing that comes is looked at; few are told at once, and
 * each for a moment. For pages of origins that are allowed: others may learn nothing. One for a gateway; one thread.
 */

/** Beside the codes of RFC 6455 (7.4.2) and the status that others get: 429 is 4429. */
const CLOSE_REFUSED = 4000;

export class ToldRefusals {
  #open = 0;
  readonly #sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    // A client shows its token at once. To cut it for that might throw away what it was told.
    maxPayload: AUTHENTICATE_FRAME_BYTES_MAX,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has(WIRE_PROTOCOL) ? WIRE_PROTOCOL : false),
  });

  /** False: it is not told, and to be answered over HTTP. */
  tell(
    request: IncomingMessage,
    stream: Duplex,
    head: Buffer,
    { status, error }: { readonly status: number; readonly error: ErrorData },
  ): boolean {
    const isPage = request.headers.origin !== undefined;
    if (!isPage || stream.destroyed || this.#open >= REFUSALS_TOLD_MAX) return false;
    this.#open++;
    const cut = setTimeout(() => stream.destroy(), REFUSAL_TOLD_MS);
    stream.once('close', () => {
      clearTimeout(cut);
      this.#open--;
    });
    this.#sockets.handleUpgrade(request, stream, head, (socket) => {
      socket.on('error', () => stream.destroy());
      socket.send(frameText('error', error));
      socket.close(CLOSE_REFUSED + status, error.code);
    });
    return true;
  }
}
