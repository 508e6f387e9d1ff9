import type { Door, DoorContext, OpenDoor } from './door.js';
import { openAlertsDoor } from './http/alerts-door.js';
import { openConsumersDoor } from './http/consumers-door.js';
import { openDashboardDoor } from './http/dashboard-door.js';
import { openEventsDoor } from './http/events-door.js';
import type { HttpContext } from './http/http-context.js';
import { openLaterDoor } from './http/later-door.js';
import { openListsDoor } from './http/lists-door.js';
import { openOperationsDoor } from './http/operations-door.js';
import { openProbesDoor } from './http/probes-door.js';
import { openRequestDoor } from './http/request-door.js';
import { openStartPage } from './http/start-page.js';
import { openStreamsDoor } from './http/streams-door.js';
import { openWebSocketDoor } from './websocket/websocket-door.js';

/** The doors that speak HTTP alone. */
const HTTP_DOORS: readonly OpenDoor<HttpContext>[] = [
  openEventsDoor,
  openRequestDoor,
  openStreamsDoor,
  openListsDoor,
  openProbesDoor,
];

/** All doors of a gateway. A new door is added in this file only. */
const DOORS: readonly OpenDoor[] = [
  openWebSocketDoor,
  openOperationsDoor,
  openAlertsDoor,
  openConsumersDoor,
  openLaterDoor,
  ...HTTP_DOORS,
];

export function openDoors(context: DoorContext): readonly Door[] {
  return opened(DOORS, context);
}

export function openHttpDoors(context: HttpContext): readonly Door[] {
  return opened(HTTP_DOORS, context);
}

/**
 * Opens the doors, the dashboard at `/`, and the start page, which lists the routes: at `/v1`, and in the dashboard's
 * place where there is none.
 */
function opened<C extends HttpContext>(doors: readonly OpenDoor<C>[], context: C): readonly Door[] {
  const { basePath, dashboard } = context.settings;
  const page = dashboard ? openDashboardDoor() : undefined;
  const all = doors.map((open) => open(context));
  if (page !== undefined) all.push(page);
  const routes = all.flatMap((door) => door.routes ?? []);
  return [...all, openStartPage(routes, basePath, page === undefined ? ['/', '/v1'] : ['/v1'])];
}
