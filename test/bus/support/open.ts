import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import type { Bus, BusOptions } from '../../../src/main/bus.js';
import type { BusError } from '../../../src/protocol/errors.js';
import { openBus } from './millrace.js';

/**
 * Buses and directories for one test. Buses that a test leaves open are closed after it, and its directories are
 * removed. Errors that a bus reports to `onError` are kept for the test.
 */
const openBuses = new Set<Bus>();
const directories = new Set<string>();
const told = new WeakMap<Bus, BusError[]>();

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-test-'));
  directories.add(directory);
  return directory;
}

/** Opens a bus in a directory of its own unless the options name one. */
export async function openTestBus(options: BusOptions = {}): Promise<Bus> {
  const errors: BusError[] = [];
  const bus = await openBus({
    dir: options.dir ?? temporaryDirectory(),
    onError: (error: BusError) => {
      errors.push(error);
    },
    ...options,
  });
  openBuses.add(bus);
  told.set(bus, errors);
  return bus;
}

/** The errors that the bus has reported to `onError`. */
export function errorsTold(bus: Bus): readonly BusError[] {
  return told.get(bus) ?? [];
}

/** Closes the bus and, for a property that runs many times, forgets its directory. */
export async function closeTestBus(bus: Bus, directory?: string): Promise<void> {
  openBuses.delete(bus);
  await bus.close();
  if (directory !== undefined) removeDirectory(directory);
}

export function removeDirectory(directory: string): void {
  directories.delete(directory);
  rmSync(directory, { recursive: true, force: true });
}

afterEach(async () => {
  const left = [...openBuses];
  openBuses.clear();
  await Promise.allSettled(left.map((bus) => bus.close()));
  for (const directory of [...directories]) removeDirectory(directory);
});
