/**
 * The counters that the doors of a bus share: failed sign-ins, and administrative acts by their outcome. Any thread.
 */
export const DOOR_COUNTS = [
  'signIn.missing',
  'signIn.refused',
  'signIn.unavailable',
  'signIn.limited',
  'backup.done',
  'backup.refused',
  'backup.failed',
  'backup.limited',
  'prune.done',
  'prune.refused',
  'prune.failed',
  'prune.limited',
  'disconnect.done',
  'disconnect.refused',
  'disconnect.failed',
  'disconnect.limited',
  'setAlert.done',
  'setAlert.refused',
  'setAlert.failed',
  'setAlert.limited',
  'removeAlert.done',
  'removeAlert.refused',
  'removeAlert.failed',
  'removeAlert.limited',
] as const;

export type DoorCount = (typeof DOOR_COUNTS)[number];
