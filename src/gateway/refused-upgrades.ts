import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { ErrorData } from '../protocol/errors.js';
import {
  AUTHENTICATE_FRAME_BYTES_MAX,
  REFUSAL_TOLD_MS,
  REFUSALS_TOLD_MAX,
} from '../protocol/limits.js';
import type { Upgrade } from './door.js';

/**
 * Tells a page why its upgrade is refused. Browsers keep the status of a refused upgrade from the page, so the upgrade is
 * taken, a message of the door says why, and the socket is closed. Nothing that the page sends is looked at; few pages are
 * told at once, and each for a moment. For pages of origins that are allowed: others may learn nothing. One for a gateway; one thread.
 */

/** Beside the codes of RFC 6455 (7.4.2) and the status that others get: 429 is 4429. */
const CLOSE_REFUSED = 4000;

export class RefusedUpgrades {
  #open = 0;
  readonly #servers: ReadonlyMap<Upgrade, WebSocketServer>;

  constructor(upgrades: readonly Upgrade[]) {
    this.#servers = new Map(upgrades.map((upgrade) => [upgrade, serverOf(upgrade)]));
  }

  /** False: the page is not told, and is to be answered over HTTP. */
  tell(
    request: IncomingMessage,
    stream: Duplex,
    head: Buffer,
    upgrade: Upgrade,
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
    this.#servers.get(upgrade)!.handleUpgrade(request, stream, head, (socket) => {
      socket.on('error', () => stream.destroy());
      socket.send(upgrade.refusalText(error));
      socket.close(CLOSE_REFUSED + status, error.code);
    });
    return true;
  }
}

function serverOf({ subprotocol }: Upgrade): WebSocketServer {
  return new WebSocketServer({
    noServer: true,
    clientTracking: false,
    // A client shows its token at once. To cut it for that might throw away what it was told.
    maxPayload: AUTHENTICATE_FRAME_BYTES_MAX,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has(subprotocol) ? subprotocol : false),
  });
}
