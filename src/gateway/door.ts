import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { Principal } from '../auth/principal.js';
import type { ErrorData } from '../protocol/errors.js';
import type { Place } from './admission.js';
import type { Audit } from './audit.js';
import type { HttpContext } from './http/http-context.js';
import type { Route } from './http/route.js';
import type { GatewaySettings } from './settings.js';

/**
 * A door is one way by which clients reach the bus: a module that is opened once for a gateway, and hands in its routes and
 * its upgrades. The gateway judges who may come near, finds the door of a path, and closes all doors together; it knows none
 * of them by name. `doors.ts` lists them.
 */
export interface Door {
  readonly routes?: readonly Route[];
  readonly upgrades?: readonly Upgrade[];
  /** Takes no more; resolves when what it had taken is answered and its clients have been told that it ends. */
  close?(): Promise<void>;
  /** Ends what has not ended by itself; resolves when its subscriptions are released. */
  cut?(): Promise<void>;
}

/** A path at which WebSocket clients of one subprotocol are taken. */
export interface Upgrade {
  /** Below the gateway's base path. */
  readonly path: string;
  readonly subprotocol: string;
  /** Of one message from a client, in bytes. */
  readonly maxPayload: number;
  readonly isCompressed: boolean;
  /** Takes a socket, and owns it from then on. */
  connect(client: UpgradedClient): void;
  /** The message that says why an upgrade was refused, for pages, from which browsers keep the status. */
  refusalText(error: ErrorData): string;
}

/** A client whose upgrade was accepted. */
export interface UpgradedClient {
  readonly id: string;
  readonly place: Place;
  readonly socket: WebSocket;
  /** What the socket writes to. */
  readonly stream: Duplex;
  /** Left out where the client has yet to say who it is. */
  readonly principal: Principal | undefined;
}

/** What doors need of the gateway that they belong to. */
export interface DoorContext extends HttpContext {
  readonly settings: GatewaySettings;
  readonly audit: Audit;
  /** Name and version. */
  readonly server: string;
  /** Whether each frame is worth a line. */
  readonly logsFrames: boolean;
}

/** Opens a door. A door that needs less of the gateway says so: `OpenDoor<HttpContext>`. */
export type OpenDoor<C = DoorContext> = (context: C) => Door;
