import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { ErrorData } from '../protocol/errors.js';
import { REFUSAL_REPORT_MS, REFUSALS_REPORTED_MAX } from '../protocol/limits/gateway.js';
import { AUTHENTICATE_FRAME_BYTES_MAX } from '../protocol/limits/websocket.js';
import type { Upgrade } from './door.js';

/**
 * Tells a page why its upgrade is refused. Browsers hide the status of a refused upgrade from the page; so the upgrade
 * is accepted, a message of the door gives the reason, and the socket is closed. Messages of the page are ignored. At
 * most `REFUSALS_REPORTED_MAX` such sockets are open at once, each for at most `REFUSAL_REPORT_MS`. Only pages of
 * allowed origins may get one. A gateway has one of this class; one thread uses it.
 */

/** Close codes are this plus the HTTP status: 4429 for 429. RFC 6455 (7.4.2) leaves 4000 to 4999 to applications. */
const CLOSE_REFUSED = 4000;

export class RefusedUpgrades {
  #open = 0;
  readonly #servers: ReadonlyMap<Upgrade, WebSocketServer>;

  constructor(upgrades: readonly Upgrade[]) {
    this.#servers = new Map(upgrades.map((upgrade) => [upgrade, serverOf(upgrade)]));
  }

  /** Returns false where the client is not told, because it is no page or too many are; answer it over HTTP then. */
  notify(
    request: IncomingMessage,
    stream: Duplex,
    head: Buffer,
    upgrade: Upgrade,
    { status, error }: { readonly status: number; readonly error: ErrorData },
  ): boolean {
    const isPage = request.headers.origin !== undefined;
    if (!isPage || stream.destroyed || this.#open >= REFUSALS_REPORTED_MAX) return false;
    this.#open++;
    const cut = setTimeout(() => stream.destroy(), REFUSAL_REPORT_MS);
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
    // A client may send its token at once. A lower bound would cut it for that, and the refusal might be lost.
    maxPayload: AUTHENTICATE_FRAME_BYTES_MAX,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has(subprotocol) ? subprotocol : false),
  });
}
