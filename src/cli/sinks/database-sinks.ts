import { resolve } from 'node:path';
import { SINK_DATABASE_BUSY_MS } from '../../protocol/limits/cli.js';
import { assertOptions, type OptionCheck, type OptionChecks } from '../../protocol/options.js';
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

const OUTBOX_SECTION_CHECKS: OptionChecks = new Map([...OUTBOX_CHECKS, ['db', aFile]]);
const PROJECTION_SECTION_CHECKS: OptionChecks = new Map([...PROJECT_CHECKS, ['db', aFile]]);

type SectionOptions = Readonly<Record<string, unknown>>;

/** The options of a section for an outbox. */
interface OutboxSection extends Omit<OutboxOptions, 'bus' | 'db'> {
  /** A path. */
  readonly db: string;
}

/** The options of a section for a projection. */
interface ProjectionSection
  extends Omit<ProjectOptions<unknown, SqliteDatabase>, 'consumer' | 'db' | 'apply' | 'clear'> {
  /** A path. */
  readonly db: string;
}

/** @throws BusError `OPTION_INVALID` */
export function outboxSection({
  db = null,
  consumer: _,
  ...others
}: SectionOptions): OutboxSection {
  const options: unknown = { db, ...others };
  assertOptions<OutboxSection>('outbox', options, OUTBOX_SECTION_CHECKS);
  return options;
}

/** @throws BusError `OPTION_INVALID` */
export function projectionSection({ db = null, ...others }: SectionOptions): ProjectionSection {
  const options: unknown = { db, ...others };
  assertOptions<ProjectionSection>('project', options, PROJECTION_SECTION_CHECKS);
  return options;
}

/** The database has to be there: an empty one in its place would look like an outbox without rows. */
export function startOutbox({ options, bus, name, signal, onError }: SinkStart): Sink {
  const { db: file, ...others } = outboxSection(options);
  return onDatabase(file, { fileMustExist: true }, (db) =>
    outbox({ ...others, db, bus, name, signal, onError }),
  );
}

/** @throws BusError `OPTION_INVALID` for a module without `apply`; anything that the module throws */
export async function startProjection(start: SinkStart): Promise<Sink> {
  const { options, name, signal, onError, consumer, module, place } = start;
  const exports = await moduleExports(module!, place);
  const apply = exports.optional<ProjectionModule['apply']>('apply') ?? exports.refuse('apply');
  const clear = exports.optional<NonNullable<ProjectionModule['clear']>>('clear');
  const prepare = exports.optional<NonNullable<ProjectionModule['prepare']>>('prepare');
  const { db: file, ...others } = projectionSection(options);
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
