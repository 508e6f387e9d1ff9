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
  'prune.done',
  'prune.refused',
  'prune.failed',
  'disconnect.done',
  'disconnect.refused',
  'disconnect.failed',
  'setAlert.done',
  'setAlert.refused',
  'setAlert.failed',
  'removeAlert.done',
  'removeAlert.refused',
  'removeAlert.failed',
] as const;

export type DoorCount = (typeof DOOR_COUNTS)[number];
