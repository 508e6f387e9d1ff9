/** What the doors of a bus count together: sign-ins that failed, and administrative acts by how they ended. Any thread. */
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
] as const;

export type DoorCount = (typeof DOOR_COUNTS)[number];
