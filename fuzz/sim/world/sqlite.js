import { world } from './world.js';

/**
 * A binding of SQLite in front of the real one: each statement is a point at which its thread may die, and at which the
 * disk may fail. The databases of a thread are closed with it.
 */
/** @returns {any} */
export function wrapBinding(Real) {
  /**
   * Compiled at its first use, once for each text and shape of rows: a log prepares dozens of statements, many of them
   * several times, of which a short game uses few.
   */
  class VirtualStatement {
    #real;
    #iterated;
    #database;
    #sql;
    #shape = '';

    constructor(database, sql) {
      this.#database = database;
      this.#sql = sql;
    }

    get #statement() {
      this.#real ??= this.#database.compiled(this.#sql, this.#shape);
      return this.#real;
    }

    run(...parameters) {
      return this.#database.perform(this.#sql, () => this.#statement.run(...parameters));
    }

    get(...parameters) {
      return this.#database.perform(this.#sql, () => this.#statement.get(...parameters));
    }

    all(...parameters) {
      return this.#database.perform(this.#sql, () => this.#statement.all(...parameters));
    }

    /** A statement that is iterated is busy, and so is one of its own. */
    iterate(...parameters) {
      return this.#database.perform(this.#sql, () => {
        this.#iterated ??= this.#database.compile(this.#sql, this.#shape);
        return this.#iterated.iterate(...parameters);
      });
    }

    raw() {
      this.#shape = 'raw';
      return this;
    }

    pluck() {
      this.#shape = 'pluck';
      return this;
    }
  }

  return class VirtualDatabase {
    #real;
    #owner;
    /** @type {Map<string, any>} */
    #compiled = new Map();
    isReadonly;
    isFull = true;

    constructor(file, options) {
      const here = world();
      this.isReadonly = options?.readonly === true;
      here?.point('open');
      this.#real = new Real(file, options);
      this.#owner = here?.current;
      this.#owner?.databases.add(this);
    }

    get name() {
      return this.#real.name;
    }

    get open() {
      return this.#real.open;
    }

    get memory() {
      return this.#real.memory;
    }

    get inTransaction() {
      return this.#real.inTransaction;
    }

    prepare(sql) {
      return new VirtualStatement(this, sql);
    }

    compiled(sql, shape) {
      const key = shape + sql;
      let statement = this.#compiled.get(key);
      if (statement === undefined) this.#compiled.set(key, (statement = this.compile(sql, shape)));
      return statement;
    }

    compile(sql, shape) {
      const statement = this.#real.prepare(sql);
      return shape === '' ? statement : statement[shape]();
    }

    exec(sql) {
      this.perform(sql, () => this.#real.exec(sql));
      return this;
    }

    pragma(source, options) {
      const mode = /synchronous\s*=\s*(\w+)/i.exec(source)?.[1].toUpperCase();
      if (mode !== undefined) this.isFull = mode === 'FULL' || mode === '2' || mode === 'EXTRA';
      return this.perform(`PRAGMA ${source}`, () => this.#real.pragma(source, options));
    }

    transaction(work) {
      const within = (begin) => {
        this.exec(begin);
        try {
          const result = work();
          this.exec('COMMIT');
          return result;
        } catch (error) {
          if (this.open && this.inTransaction) this.#real.exec('ROLLBACK');
          throw error;
        }
      };
      return { immediate: () => within('BEGIN IMMEDIATE'), deferred: () => within('BEGIN') };
    }

    close() {
      const here = world();
      here?.point('close');
      this.closeReal();
      return this;
    }

    /** As the end of its thread does. */
    closeReal() {
      this.#owner?.databases.delete(this);
      if (!this.#real.open) return;
      const { name } = this.#real;
      this.#real.close();
      world()?.faults.disk?.closed(name);
    }

    perform(sql, work) {
      const here = world();
      if (here === undefined) return work();
      here.point('statement');
      const fault = this.isReadonly
        ? undefined
        : here.faults.statementFault(here.current, sql, here.elapsed);
      if (fault === undefined) {
        const result = work();
        here.faults.disk?.performed(this, sql);
        return result;
      }
      return fail(this.#real, fault, sql, work);
    }
  };

  /** A commit whose flush fails may be found in the file later, or not. */
  function fail(database, { code, isDone }, sql, work) {
    if (isDone) work();
    else if (sql === 'COMMIT' && database.inTransaction) database.exec('ROLLBACK');
    throw new Real.SqliteError(`simulated: ${code}`, code);
  }
}
