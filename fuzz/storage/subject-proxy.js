import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const SUBJECT = fileURLToPath(new URL('./subject.js', import.meta.url));
/** A subject that has been asked so often makes way for a fresh one. */
const ASKED_MAX = 200;

/**
 * The parent's side of `subject.js`: a process that is asked, given up when it does not answer in time, and started again
 * when it has died.
 */
export class SubjectProxy {
  #options;
  #child;
  #asked = 0;
  #stderr = '';

  /** `marks`: the file to which it tells what it does. `env`: what it has beside this process's own. */
  constructor({ marks = '', env = {} } = {}) {
    this.#options = { marks, env };
  }

  /** @returns `{ value }`, `{ error }` if it threw, `{ died }` or `{ hung: true }` */
  async ask(call, options, timeoutMs) {
    if (this.#asked++ >= ASKED_MAX) await this.end();
    const child = (this.#child ??= await this.#start());
    const id = this.#asked;
    const abort = new AbortController();
    const { signal } = abort;
    const answered = answerOf(child, id, signal);
    const died = exitOf(child, signal);
    const timer = setTimeout(() => abort.abort(), timeoutMs);
    child.send({ id, call, options });
    try {
      const outcome = await Promise.race([answered, died]);
      if ('died' in outcome) return { died: `${outcome.died} ${this.#forget()}`.trim() };
      return outcome;
    } catch {
      await this.end();
      return { hung: true };
    } finally {
      clearTimeout(timer);
      abort.abort();
      await Promise.allSettled([answered, died]);
    }
  }

  /** Ends it, whatever it is doing. */
  async end() {
    const child = this.#child;
    this.#forget();
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  async #start() {
    const { marks, env } = this.#options;
    const child = fork(SUBJECT, [marks], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    child.stderr?.setEncoding('utf8').on('data', (text) => {
      this.#stderr = (this.#stderr + text).slice(-2000);
    });
    await once(child, 'message');
    return child;
  }

  #forget() {
    const said = this.#stderr;
    this.#child = undefined;
    this.#asked = 0;
    this.#stderr = '';
    return said;
  }
}

/** Why there is no value in what was answered, if there is none. `doing`: what was asked. */
export function failureOf(outcome, doing) {
  if (outcome.hung) return `hung: ${doing}`;
  if ('value' in outcome) return undefined;
  return `crashed: ${doing}: ${outcome.died ?? outcome.error}`;
}

async function answerOf(child, id, signal) {
  for (;;) {
    const [message] = await once(child, 'message', { signal });
    if (message.id === id) return message;
  }
}

async function exitOf(child, signal) {
  const [code, name] = await once(child, 'exit', { signal });
  return { died: name ?? `exit ${code}` };
}
