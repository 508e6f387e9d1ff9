/**
 * A lease as text: `CONSUMER.SHARD.SEQUENCE.LEASE`, by which any gateway of the bus may settle it. It is a name and no
 * secret: whoever settles by it must be permitted to take from the consumer that it names, and a lease that is not the
 * present one of its event is lost anyway. Pure.
 */

/** The place and the number of a lease. */
export interface LeaseName {
  readonly shard: number;
  readonly sequence: number;
  /** The number of the lease. */
  readonly number: number;
}

export interface NamedLease extends LeaseName {
  /** The consumer's id. */
  readonly consumer: string;
}

const TEXT = /^([^.]{1,64})\.(0|[1-9]\d{0,4})\.([1-9]\d{0,15})\.([1-9]\d{0,15})$/;

export function leaseText(consumer: string, { shard, sequence, number }: LeaseName): string {
  return `${consumer}.${shard}.${sequence}.${number}`;
}

/** Undefined if the text is of no lease. */
export function parseLeaseText(text: string): NamedLease | undefined {
  const [, consumer, shard, sequence, number] = TEXT.exec(text) ?? [];
  if (consumer === undefined) return undefined;
  const parsed = {
    consumer,
    shard: Number(shard),
    sequence: Number(sequence),
    number: Number(number),
  };
  const isExact = Number.isSafeInteger(parsed.sequence) && Number.isSafeInteger(parsed.number);
  return isExact ? parsed : undefined;
}
