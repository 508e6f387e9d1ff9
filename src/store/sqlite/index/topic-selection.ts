import { PatternSet } from '../../../protocol/pattern-set.js';
import { hasWildcard } from '../../../protocol/topic.js';
import type { Database, Statement } from '../driver/driver.js';

/** The topics of one log that match a list of patterns, as ids. */
export interface TopicSelection {
  readonly ids: ReadonlySet<number>;
  /** Every topic of the log matches, so no index is needed. */
  readonly isAll: boolean;
  /** The patterns may also match topics that the log has forgotten. */
  readonly hasUnknown: boolean;
}

interface Selection {
  readonly ids: Set<number>;
  /** Topics up to this id have been matched; those after it are new. */
  throughId: number;
  topics: number;
}

/** How many lists of patterns keep their topics, so that the pages of one reader match a topic only once. */
const SELECTIONS_MAX = 16;

export class TopicSelector {
  readonly #byName: Statement<[string], number>;
  readonly #after: Statement<[number], [id: number, name: string]>;
  readonly #lastId: Statement<[], number | null>;
  readonly #selections = new Map<string, Selection>();

  constructor(database: Database) {
    this.#byName = database
      .prepare<[string], number>('SELECT id FROM topics WHERE name = ?')
      .pluck();
    this.#after = database
      .prepare<[number], [number, string]>('SELECT id, name FROM topics WHERE id > ? ORDER BY id')
      .raw();
    this.#lastId = database.prepare<[], number | null>('SELECT max(id) FROM topics').pluck();
  }

  select(patterns: readonly string[]): TopicSelection {
    if (!patterns.some(hasWildcard)) return this.#literal(patterns);
    const key = JSON.stringify(patterns);
    const selection = this.#selections.get(key) ?? { ids: new Set(), throughId: 0, topics: 0 };
    this.#selections.delete(key);
    this.#selections.set(key, selection);
    if (this.#selections.size > SELECTIONS_MAX) {
      for (const oldest of this.#selections.keys()) {
        this.#selections.delete(oldest);
        break;
      }
    }
    if ((this.#lastId.get() ?? 0) > selection.throughId) this.#extend(selection, patterns);
    const isAll = selection.ids.size === selection.topics;
    return { ids: selection.ids, isAll, hasUnknown: true };
  }

  #literal(patterns: readonly string[]): TopicSelection {
    const ids = new Set<number>();
    for (const name of patterns) {
      const id = this.#byName.get(name);
      if (id !== undefined) ids.add(id);
    }
    return { ids, isAll: false, hasUnknown: ids.size < patterns.length };
  }

  /** The time for a topic does not grow with the number of patterns: clients choose both, and other readers wait. */
  #extend(selection: Selection, patterns: readonly string[]): void {
    const wanted = new PatternSet(patterns);
    for (const [id, name] of this.#after.iterate(selection.throughId)) {
      selection.throughId = id;
      selection.topics++;
      if (wanted.covers(name)) selection.ids.add(id);
    }
  }
}
