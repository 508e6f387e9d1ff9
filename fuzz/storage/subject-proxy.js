import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const SUBJECT = fileURLToPath(new URL('./subject.js', import.meta.url));
/** After this many calls a subject is replaced by a fresh one. */
const ASKED_MAX = 1000;

/**
 * The parent's side of `subject.js`: a process that gets calls, is killed if it does not answer in time, and is started
 * again if it has died.
 */
export class SubjectProxy {
  #options;
  #child;
  #asked = 0;
  #stderr = '';

  /**
   * `marks`: the file to which the subject reports its steps. `env`: environment variables in addition to this
   * process's own. `flags`: arguments of Node.
   *
   * @param {{ marks?: string, env?: NodeJS.ProcessEnv, flags?: string[] }} [options]
   */
  constructor({ marks = '', env = {}, flags = [] } = {}) {
    this.#options = { marks, env, flags };
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

  /** Kills the process, whatever it is doing. */
  async end() {
    const child = this.#child;
    this.#forget();
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  async #start() {
    const { marks, env, flags } = this.#options;
    const child = fork(SUBJECT, [marks], {
      execArgv: flags,
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

/** Says why the outcome has no value, or `undefined` if it has one. `doing` describes the call. */
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
