import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { ulid } from 'ulid';
import { type PerMessageDeflateOptions, WebSocketServer } from 'ws';
import { quote } from '../protocol/quote.js';
import type { Admission } from './admission.js';
import type { Upgrade } from './door.js';
import { errorData } from './error-data.js';
import { httpStatusOf } from './http/http-status.js';
import { Refusal, refuseUpgrade } from './refusal.js';
import { RefusedUpgrades } from './refused-upgrades.js';
import { pathOf } from './request-path.js';
import type { SignIns } from './sign-ins.js';
import type { Peer } from './trusted-proxies.js';

/**
 * Takes requests to upgrade to a WebSocket: finds the door by path, admits and authenticates the client, and hands its
 * socket to the door. A gateway has one; one thread uses it.
 */
export interface UpgradesContext {
  readonly basePath: string;
  readonly admission: Admission;
  readonly signIns: SignIns;
  readonly closing: AbortSignal;
  readonly onRefused: (address: string, error: unknown) => void;
}

/** A door's upgrade at one path, and the server of `ws` that performs its handshakes. */
interface Entrance {
  readonly upgrade: Upgrade;
  readonly sockets: WebSocketServer;
}

export class Upgrades {
  readonly #context: UpgradesContext;
  readonly #entrances = new Map<string, Entrance>();
  readonly #refused: RefusedUpgrades;

  constructor(upgrades: readonly Upgrade[], context: UpgradesContext) {
    this.#context = context;
    this.#refused = new RefusedUpgrades(upgrades);
    for (const upgrade of upgrades) {
      const path = context.basePath + upgrade.path;
      if (this.#entrances.has(path)) throw new Error(`two doors take upgrades at ${path}`);
      this.#entrances.set(path, { upgrade, sockets: serverOf(upgrade) });
    }
  }

  /** Takes over a request to upgrade, and with it the socket. Never throws. */
  take(request: IncomingMessage, stream: Duplex, head: Buffer, peer: Peer): void {
    let welcomedBy: Upgrade | undefined;
    const onWelcome = (upgrade: Upgrade): void => {
      welcomedBy = upgrade;
    };
    this.#take(request, stream, head, peer, onWelcome).catch((error: unknown) => {
      this.#context.onRefused(peer.address, error);
      const refusal = { status: httpStatusOf(error), error: errorData(error) };
      // A page of an origin that is not allowed must not learn the reason.
      const isNotified =
        welcomedBy !== undefined &&
        this.#refused.notify(request, stream, head, welcomedBy, refusal);
      if (!isNotified) refuseUpgrade(stream, refusal.status, refusal.error);
    });
  }

  /**
   * Calls `onWelcome` once the client's address, host and origin are allowed.
   *
   * @throws Refusal, and all that `SignIns` throws
   */
  async #take(
    request: IncomingMessage,
    stream: Duplex,
    head: Buffer,
    peer: Peer,
    onWelcome: (upgrade: Upgrade) => void,
  ): Promise<void> {
    const { admission, signIns, closing } = this.#context;
    const { upgrade, sockets } = this.#entranceOf(request);
    admission.checkRequest(request, peer);
    checkSubprotocol(request, upgrade);
    onWelcome(upgrade);
    if (closing.aborted) throw stopping();
    const { address } = peer;
    const token = signIns.tokenOf(request.headers.authorization, address);
    const isOpen = token !== undefined || !signIns.isRequired;
    // Clients that show a token at once do not share the places of those that have yet to authenticate.
    const place = admission.enter(address, isOpen);
    // The place is given back however the connection ends, even before the handshake.
    stream.once('close', () => place.leave());
    if (stream.destroyed) place.leave();
    const principal = isOpen ? await signIns.authenticate(token, address) : undefined;
    if (closing.aborted) throw stopping();
    sockets.handleUpgrade(request, stream, head, (socket) => {
      const userAgent = request.headers['user-agent'];
      upgrade.connect({ id: ulid(), place, socket, stream, userAgent, principal });
    });
  }

  /** @throws Refusal */
  #entranceOf(request: IncomingMessage): Entrance {
    const path = pathOf(request);
    const entrance = this.#entrances.get(path);
    if (entrance !== undefined) return entrance;
    throw new Refusal(404, 'NOT_FOUND', `there is no WebSocket at ${quote(path)}`);
  }
}

/** Each message is compressed by itself, so that an idle connection holds no window of 300 KiB. */
const COMPRESSION: PerMessageDeflateOptions = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  threshold: 1024,
  zlibDeflateOptions: { level: 3 },
};

function serverOf({ subprotocol, maxPayload, isCompressed }: Upgrade): WebSocketServer {
  return new WebSocketServer({
    noServer: true,
    clientTracking: false,
    // The connection answers pings itself, so that its pongs count towards congestion.
    autoPong: false,
    maxPayload,
    perMessageDeflate: isCompressed ? COMPRESSION : false,
    handleProtocols: (offered) => (offered.has(subprotocol) ? subprotocol : false),
  });
}

/** @throws Refusal */
function checkSubprotocol({ headers }: IncomingMessage, { subprotocol }: Upgrade): void {
  const offered = headers['sec-websocket-protocol'];
  if (offered === undefined) return;
  if (offered.split(',').some((name) => name.trim() === subprotocol)) return;
  const message = `subprotocol ${quote(offered)} is not spoken here; ${subprotocol} is`;
  throw new Refusal(400, 'MESSAGE_INVALID', message);
}

function stopping(): Refusal {
  return new Refusal(503, 'BUS_CLOSED', 'the server is stopping');
}
