import { BusError } from 'millrace/client';

/** The text of an error for a person: the code of the bus in front, where there is one. */
export function messageOf(error: unknown): string {
  if (error instanceof BusError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}
