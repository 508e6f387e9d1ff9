/** A record of an event; it stays as it is until the next one is found. */
export interface FoundEvent {
  readonly bytes: Buffer;
  readonly offset: number;
  readonly length: number;
}
