import { once } from 'node:events';

/**
 * A part in a play: a process that can be killed at any time, and starts again at once, until it is let go.
 */
export class Role {
  name;
  /** How often it was killed. */
  kills = 0;
  /** Errors that no kill explains. */
  problems = [];
  #isOver = false;
  #started;
  /** How often it was struck. */
  #strikes = 0;
  /** @type {ReturnType<typeof deferred> | undefined} resolves when it runs again after it was struck */
  #again;

  constructor(name) {
    this.name = name;
  }

  /** Starts it, and again after each end, until `letGo`. Resolves when it runs for the first time. */
  async begin() {
    this.#started = this.start();
    await this.#started;
    void this.#goOn();
  }

  /** Kills it with SIGKILL, also while it starts. */
  kill() {
    if (this.isRunning) this.kills++;
    if (!this.strike()) return;
    this.#strikes++;
    this.#again ??= deferred();
  }

  /** Resolves when it runs, or will not run again: a start that was killed is followed by another, also before its end is noticed. */
  get running() {
    return this.#again?.promise ?? this.#started;
  }

  letGo() {
    this.#isOver = true;
  }

  /** Whether it can be killed. */
  get isRunning() {
    return false;
  }

  /** Starts its process. Resolves when it is at work. */
  async start() {
    throw new Error(`${this.name} has no process`);
  }

  /** Resolves when the process of the last start has ended. */
  async ended() {}

  /** Kills its process. @returns {boolean} whether there was one */
  strike() {
    return false;
  }

  async #goOn() {
    while (!this.#isOver) {
      await this.ended();
      if (this.#isOver) break;
      this.#started = this.#startAgain();
      await this.#started;
    }
    this.#runs();
  }

  #runs() {
    this.#again?.resolve();
    this.#again = undefined;
  }

  async #startAgain() {
    while (!this.#isOver) {
      const before = this.#strikes;
      try {
        await this.start();
        // Its start may have been cut short by an end that nobody asked for.
        if (this.#strikes === before && this.isRunning) this.#runs();
        return;
      } catch (error) {
        if (this.kills === 0) this.problems.push(`${this.name} did not start: ${error.message}`);
      }
      await this.ended();
    }
  }
}

function deferred() {
  let resolve = () => {};
  /** @type {Promise<void>} */
  const promise = new Promise((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

const SAID_MAX = 4000;
const ABORT_OF_NODE = /Reached heap limit|llhttp__internal_execute/;

/** A role that is one child process. It may end by a signal that it was sent, and with code 0 once it was told to. */
export class ProcessRole extends Role {
  /** @type {import('node:child_process').ChildProcess | undefined} */
  child;
  /** It was told to stop, or killed. */
  isExpected = false;
  /**
   * Its threads die in ways for which Node ends the whole process now and then: of a full heap, or amid the parsing of a
   * request. That counts as a kill.
   */
  mayAbort = false;
  /** The last that it wrote to its standard error. */
  said = '';
  #exit = Promise.resolve();

  /** @override */
  get isRunning() {
    return this.child?.exitCode === null && this.child.signalCode === null;
  }

  /** Takes up a child that was just started. */
  follow(child) {
    this.child = child;
    this.isExpected = false;
    this.said = '';
    child.stderr?.setEncoding('utf8').on('data', (text) => {
      this.said = (this.said + text).slice(-SAID_MAX);
    });
    this.#exit = once(child, 'exit').then(([code, signal]) => {
      if (this.isExpected && (signal !== null || code === 0)) return;
      if (this.mayAbort && signal === 'SIGABRT' && ABORT_OF_NODE.test(this.said)) {
        this.kills++;
        return;
      }
      this.problems.push(`${this.name} ended by itself (${code ?? signal}): ${this.said}`);
    });
  }

  /** @override */
  async ended() {
    return this.#exit;
  }

  /** @override */
  strike() {
    this.isExpected = true;
    return this.child?.kill('SIGKILL') ?? false;
  }

  /** Lets it go, tells it to stop, and waits for its end. */
  async stopBy(tell) {
    this.letGo();
    this.isExpected = true;
    tell(this.child);
    await this.#exit;
  }
}
