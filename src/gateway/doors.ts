import type { Door, DoorContext, OpenDoor } from './door.js';
import { openEventsDoor } from './http/events-door.js';
import type { HttpContext } from './http/http-context.js';
import { openListsDoor } from './http/lists-door.js';
import { openOperationsDoor } from './http/operations-door.js';
import { openProbesDoor } from './http/probes-door.js';
import { openStartPage } from './http/start-page.js';
import { openStreamsDoor } from './http/streams-door.js';
import { openWebSocketDoor } from './websocket/websocket-door.js';

/** The doors that speak HTTP alone. */
const HTTP_DOORS: readonly OpenDoor<HttpContext>[] = [
  openEventsDoor,
  openStreamsDoor,
  openListsDoor,
  openProbesDoor,
];

/** All doors of a gateway. A new door is added in this file only. */
const DOORS: readonly OpenDoor[] = [openWebSocketDoor, openOperationsDoor, ...HTTP_DOORS];

export function openDoors(context: DoorContext): readonly Door[] {
  return opened(DOORS, context);
}

export function openHttpDoors(context: HttpContext): readonly Door[] {
  return opened(HTTP_DOORS, context);
}

/** Opens the doors, and the start page, which lists their routes. */
function opened<C extends HttpContext>(doors: readonly OpenDoor<C>[], context: C): readonly Door[] {
  const all = doors.map((open) => open(context));
  const routes = all.flatMap((door) => door.routes ?? []);
  return [...all, openStartPage(routes, context.settings.basePath)];
}
