import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { Principal } from '../auth/principal.js';
import type { ErrorData } from '../protocol/errors.js';
import type { Place } from './admission.js';
import type { GatewayConsumers } from './consumers/gateway-consumers.js';
import type { HttpContext } from './http/http-context.js';
import type { Route } from './http/route.js';
import type { GatewayLater } from './later/gateway-later.js';
import type { Operations } from './operations.js';
import type { GatewaySettings } from './settings.js';

/**
 * A door is one way by which clients reach the bus: a module that is opened once for a gateway, and declares its routes
 * and its upgrades. The gateway admits clients, finds the door of a path, and closes all doors together; it knows no
 * door by name. `doors.ts` lists them.
 */
export interface Door {
  readonly routes?: readonly Route[];
  readonly upgrades?: readonly Upgrade[];
  /** Takes no more requests; resolves when all that it took are answered and its clients are told of the end. */
  close?(): Promise<void>;
  /** Ends connections that are still open; resolves when their subscriptions are released. */
  cut?(): Promise<void>;
}

/** A path that accepts WebSocket clients of one subprotocol. */
export interface Upgrade {
  /** Begins with `/`; the gateway's base path is put in front of it. */
  readonly path: string;
  readonly subprotocol: string;
  /** The longest message that a client may send, in bytes. */
  readonly maxPayload: number;
  readonly isCompressed: boolean;
  /** Takes a client, and owns its socket from then on. */
  connect(client: UpgradedClient): void;
  /** The message that tells a page why its upgrade was refused; browsers hide the HTTP status from pages. */
  refusalText(error: ErrorData): string;
}

/** A client whose upgrade was accepted. */
export interface UpgradedClient {
  readonly id: string;
  readonly place: Place;
  readonly socket: WebSocket;
  /** The stream under the WebSocket. */
  readonly stream: Duplex;
  /** The header of its request. */
  readonly userAgent: string | undefined;
  /** Undefined where the client has yet to authenticate. */
  readonly principal: Principal | undefined;
}

/** The parts of the gateway that its doors use. */
export interface DoorContext extends HttpContext {
  readonly settings: GatewaySettings;
  readonly operations: Operations;
  readonly consumers: GatewayConsumers;
  readonly later: GatewayLater;
  /** The server's name and version, `millrace/1.2.3`. */
  readonly server: string;
  /** Whether each frame is logged, at `debug`. */
  readonly logsFrames: boolean;
}

/** Opens a door. A door that needs only a part of the context declares that part: `OpenDoor<HttpContext>`. */
export type OpenDoor<C = DoorContext> = (context: C) => Door;
