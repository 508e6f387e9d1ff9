import { describe } from 'vitest';
import { deliveryChecks } from './delivery.js';
import { faultChecks } from './faults.js';
import { readingChecks } from './reading.js';
import type { BusSubject } from './subject.js';
import { termsChecks } from './terms.js';

/**
 * What a bus promises on every store, as `storeChecks` says what a store does: on one that several buses share, with two
 * of them.
 */
export function busChecks(name: string, subject: BusSubject): void {
  describe(`buses ${name}`, () => {
    deliveryChecks(subject);
    readingChecks(subject);
    termsChecks(subject);
    faultChecks(subject);
  });
}
