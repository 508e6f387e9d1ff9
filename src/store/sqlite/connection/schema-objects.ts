import type { Database } from '../driver/driver.js';

/**
 * What runs in SQLite when a log is written to: triggers, and indexes of its tables. Whoever could write to a log, or has
 * made a backup, could leave such there, and they would change events or never end. Tables and views of others do not
 * matter, since no statement of ours names them.
 */
const OWN_INDEXES: ReadonlySet<string> = new Set([
  'scheduled_due',
  'scheduled_id',
  'payload_files_unused',
]);

/** As SQLite writes them itself. A text in any other form was put there by other means, and may be a trigger. */
const HARMLESS = /^CREATE (TABLE|VIEW|INDEX|UNIQUE INDEX|VIRTUAL TABLE) /;

/** What no log has and would be run. `tables`: those of the log. */
export function foreignObject(database: Database, tables: readonly string[]): string | undefined {
  const objects = database
    .prepare<[], [name: string, sql: unknown]>('SELECT name, sql FROM sqlite_schema')
    .raw()
    .iterate();
  for (const [name, sql] of objects) {
    if (sql !== null && !HARMLESS.test(String(sql))) return `${name}, which is a trigger`;
  }
  // As the definitions were read: the columns of `sqlite_schema` may say that it is of another table.
  const indexes = database
    .prepare<[string], string>("SELECT name FROM pragma_index_list(?) WHERE origin = 'c'")
    .pluck();
  for (const table of tables) {
    for (const name of indexes.all(table)) {
      if (!OWN_INDEXES.has(name)) return `${name}, which is an index of ${table}`;
    }
  }
  return undefined;
}
