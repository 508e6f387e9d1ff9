import { resolve } from 'node:path';
import { SINK_DATABASE_BUSY_MS } from '../../protocol/limits/cli.js';
import { checkOptions, type OptionCheck } from '../../protocol/options.js';
import { quote } from '../../protocol/quote.js';
import { OUTBOX_CHECKS } from '../../sinks/outbox/outbox.js';
import { PROJECT_CHECKS } from '../../sinks/project/project.js';
import type { ProjectionModule } from '../../sinks/sink-module.js';
import {
  type OutboxOptions,
  outbox,
  type ProjectOptions,
  project,
  type Sink,
  type SqliteDatabase,
} from '../../sinks.js';
import { type Database, openDatabase } from '../../store/sqlite/driver/driver.js';
import { moduleExports } from './module-exports.js';
import type { SinkStart } from './sink-start.js';

/** The kinds of sinks that work on a SQLite database, which a section names by the path `db`. The sink closes it. */

const aFile: OptionCheck = (value) =>
  typeof value === 'string' && value !== '' && value !== ':memory:'
    ? undefined
    : `is ${quote(value)}, and should be the path of a SQLite database`;

/** @throws BusError `OPTION_INVALID` */
export function checkOutbox({ db = null, consumer: _, ...others }: Record<string, unknown>): void {
  checkOptions('outbox', { db, ...others }, new Map([...OUTBOX_CHECKS, ['db', aFile]]));
}

/** @throws BusError `OPTION_INVALID` */
export function checkProjection({ db = null, ...others }: Record<string, unknown>): void {
  checkOptions('project', { db, ...others }, new Map([...PROJECT_CHECKS, ['db', aFile]]));
}

/** The database has to be there: an empty one in its place would look like an outbox without rows. */
export function startOutbox({ options, bus, name, signal, onError }: SinkStart): Sink {
  const { db: file, ...others } = options as unknown as Omit<OutboxOptions, 'db'> & { db: string };
  return onDatabase(file, { fileMustExist: true }, (db) =>
    outbox({ ...others, db, bus, name, signal, onError }),
  );
}

/** The options of a section for a projection, which the kind has checked. */
type InFile = Omit<ProjectOptions<unknown, SqliteDatabase>, 'db' | 'apply' | 'clear'> & {
  readonly db: string;
};

/** @throws BusError `OPTION_INVALID` for a module without `apply`; anything that the module throws */
export async function startProjection(start: SinkStart): Promise<Sink> {
  const { options, name, signal, onError, consumer, module } = start;
  const exports = await moduleExports(module!);
  const apply = exports.optional<ProjectionModule['apply']>('apply') ?? exports.refuse('apply');
  const clear = exports.optional<NonNullable<ProjectionModule['clear']>>('clear');
  const prepare = exports.optional<NonNullable<ProjectionModule['prepare']>>('prepare');
  const { db: file, ...others } = options as unknown as InFile;
  return onDatabase(file, {}, (opened) => {
    // Otherwise the driver's own type would count, of which a module knows nothing.
    const db: SqliteDatabase = opened;
    prepare?.(db);
    const all = { ...others, ...(clear && { clear }), apply, name, signal, onError };
    return project<unknown, SqliteDatabase>({ ...all, db, consumer: consumer! });
  });
}

function onDatabase(
  file: string,
  options: { readonly fileMustExist?: boolean },
  make: (db: Database) => Sink,
): Sink {
  const db = openDatabase(resolve(file), { timeout: SINK_DATABASE_BUSY_MS, ...options });
  try {
    const sink = make(db);
    const close = (): void => void db.close();
    sink.closed.then(close, close);
    return sink;
  } catch (error) {
    db.close();
    throw error;
  }
}
