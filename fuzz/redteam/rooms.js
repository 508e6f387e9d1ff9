import { attacks as markup } from './rooms/dashboard/markup.js';
import { attacks as consumers } from './rooms/grants/consumers.js';
import { attacks as masks } from './rooms/grants/masks.js';
import { attacks as wildcards } from './rooms/grants/wildcards.js';
import { attacks as pages } from './rooms/http/pages.js';
import { attacks as smuggling } from './rooms/http/smuggling.js';
import { attacks as doors } from './rooms/input/doors.js';
import { attacks as values } from './rooms/input/values.js';
import { attacks as cursors } from './rooms/open/cursors.js';
import { attacks as ended } from './rooms/open/ended.js';
import { attacks as secrets } from './rooms/secrets/logs.js';
import { attacks as slowdown } from './rooms/share/slowdown.js';
import { attacks as sockets } from './rooms/slow/sockets.js';
import { attacks as places } from './rooms/tables/places.js';
import { attacks as topics } from './rooms/tables/topics.js';
import { attacks as workers } from './rooms/tables/workers.js';
import { attacks as escapes } from './rooms/terminal/escapes.js';
import { attacks as existence } from './rooms/timing/existence.js';
import { attacks as forged } from './rooms/tokens/forged.js';
import { attacks as frames } from './rooms/websocket/frames.js';

/** All rooms of the red team, each with its stage and its attacks. @type {readonly import('./play.js').Room[]} */
export const rooms = [
  { name: 'grants', attacks: [...wildcards, ...masks, ...consumers] },
  { name: 'tokens', attacks: forged },
  {
    name: 'http',
    stage: {
      config: {
        logLevel: 'debug',
        allowedOrigins: ['https://app.example', 'https://*.wild.example'],
      },
    },
    attacks: [...smuggling, ...pages],
  },
  { name: 'open', attacks: [...ended, ...cursors] },
  {
    name: 'slow',
    stage: { config: { maxConnections: 200, maxHeldBytesPerPrincipal: 16 << 20 } },
    attacks: sockets,
  },
  { name: 'input', attacks: [...values, ...doors] },
  { name: 'websocket', stage: { config: { compression: true } }, attacks: frames },
  { name: 'tables', attacks: [...places, ...topics, ...workers] },
  { name: 'terminal', attacks: escapes },
  { name: 'dashboard', attacks: markup },
  {
    name: 'secrets',
    stage: { config: { logLevel: 'debug', audit: true } },
    attacks: secrets,
  },
  { name: 'timing', attacks: existence },
  { name: 'share', stage: { config: { compression: true } }, attacks: slowdown },
];
