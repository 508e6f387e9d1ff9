import { addCapabilityChecks } from './capability-checks.js';
import { Checks } from './checks.js';
import { addConsumerChecks } from './consumer-checks.js';
import { addDedupeChecks } from './dedupe-checks.js';
import { addExpiryChecks } from './expiry-checks.js';
import { addFullChecks } from './full-checks.js';
import { addLogChecks } from './log-checks.js';
import { addOpeningChecks } from './opening-checks.js';
import { addScheduledChecks } from './scheduled-checks.js';
import { addSharedLogChecks } from './shared-log-checks.js';
import type { StoreCheck, StoreUnderTest } from './store-under-test.js';
import { addSuccessorChecks } from './successor-checks.js';
import { addTimeChecks } from './time-checks.js';

/**
 * Returns checks of all promises of `LogStore` and `ShardLog` that the described store makes, for any test runner:
 *
 * ```
 * for (const { name, run } of storeChecks(subject)) test(name, run);
 * ```
 *
 * @param subject the store, and a description of its capabilities
 */
export function storeChecks(subject: StoreUnderTest): readonly StoreCheck[] {
  const checks = new Checks(subject);
  addOpeningChecks(checks);
  addLogChecks(checks);
  addDedupeChecks(checks);
  addTimeChecks(checks);
  addSuccessorChecks(checks);
  addFullChecks(checks);
  addCapabilityChecks(checks);
  if (subject.hasConsumers === true) addConsumerChecks(checks);
  if (subject.hasScheduled === true) addScheduledChecks(checks);
  if (subject.hasExpiry === true) addExpiryChecks(checks);
  if (subject.isShared) addSharedLogChecks(checks);
  return checks.list;
}
