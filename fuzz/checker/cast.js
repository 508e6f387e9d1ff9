import { fork } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { setTimeout as pass } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ProcessRole } from './role.js';

/** The processes of a run: the server under test, and its clients. */
const SUBJECT = fileURLToPath(new URL('./subject.js', import.meta.url));
const CLIENT = fileURLToPath(new URL('./client.js', import.meta.url));
const START_MS = 180_000;
/** How long a call of the subject may take before its fault counts as not done. */
const ASK_MS = 30_000;

const nothing = () => undefined;

/** A child that says what it has come to, and is told what to do. */
export class TalkingRole extends ProcessRole {
  /** It has said that it is at work. */
  isReady = false;
  /** The readers of this process that have said that they have caught up. */
  caughtUp = new Set();
  /** The actors of this process that rest: all their calls have ended. */
  resting = new Set();
  /** The publishers of this process that have published a good deal, in any of its lives. */
  busy = new Set();
  #phase = 'work';
  #asked = 0;
  #signs = new EventEmitter();

  /** Starts `program` with `options`, and resolves once it is at work or has ended. */
  async launch(program, options, env = {}, through = /** @type {string[]} */ ([])) {
    this.isReady = false;
    this.resting.clear();
    this.caughtUp.clear();
    const child = fork(program, [JSON.stringify({ ...options, phase: this.#phase })], {
      ...throughOf(through),
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    // It may die while a message is on its way to it.
    child.on('error', () => {});
    child.on('message', (message) => this.hear(message));
    this.follow(child);
    const ready = once(this.#signs, 'ready');
    const timer = setTimeout(() => child.kill('SIGKILL'), START_MS);
    await Promise.race([ready, once(child, 'exit')]);
    clearTimeout(timer);
  }

  hear(message) {
    if (message.ready) {
      this.isReady = true;
      this.#signs.emit('ready');
    }
    if (message.caughtUp !== undefined) this.caughtUp.add(message.caughtUp);
    if (message.busy !== undefined) this.busy.add(message.busy);
    if (message.rests !== undefined) this.resting.add(message.rests);
  }

  /** Changes what the process is to do, in this life and in later ones. */
  enter(phase) {
    this.#phase = phase;
    this.tell({ phase });
  }

  tell(message) {
    if (this.isRunning && this.child?.connected) this.child.send(message, () => {});
  }

  /** Asks for a call. @returns its value, or `undefined` if the process was not there, or died meanwhile */
  async ask(call, options) {
    const { child } = this;
    if (child === undefined || !this.isRunning || !this.isReady) return undefined;
    const id = ++this.#asked;
    let hear;
    const answer = new Promise((resolve) => {
      hear = (message) => message.answer === id && resolve(message.value);
      child.on('message', hear);
    });
    this.tell({ id, call, options });
    const abort = new AbortController();
    const exit = once(child, 'exit', { signal: abort.signal }).then(nothing, nothing);
    const late = pass(ASK_MS, undefined, { signal: abort.signal }).catch(nothing);
    const value = await Promise.race([answer, exit, late]);
    abort.abort();
    child.off('message', hear);
    return value;
  }

  /** Lets the process stand still. @returns whether it runs */
  freeze() {
    if (!this.isRunning || !this.isReady) return false;
    this.child?.kill('SIGSTOP');
    return true;
  }

  thaw() {
    if (this.isRunning) this.child?.kill('SIGCONT');
  }

  get pid() {
    return this.child?.pid;
  }

  async stop() {
    await this.stopBy(() => this.tell({ phase: 'end' }));
  }
}

/** Lets a command start the process, such as `ip netns exec NAME`. */
function throughOf(/** @type {string[]} */ [command, ...args]) {
  if (command === undefined) return {};
  return { execPath: command, execArgv: [...args, process.execPath] };
}

/** The server under test, always on one port. */
export class Subject extends TalkingRole {
  url;
  #options;
  #environment;

  /** @param environment returns the variables to add to its environment */
  constructor(options, environment) {
    super('subject');
    this.#options = options;
    this.#environment = environment;
  }

  /** @override */
  async start() {
    const port = this.url === undefined ? 0 : Number(new URL(this.url).port);
    await this.launch(SUBJECT, { ...this.#options, port }, this.#environment());
  }

  /** @override */
  hear(message) {
    if (message.url !== undefined) this.url = message.url;
    super.hear(message);
  }
}

/** A process of clients. */
export class Client extends TalkingRole {
  #options;

  constructor(name, options) {
    super(name);
    this.#options = options;
  }

  /** @override */
  async start() {
    const { through, ...options } = this.#options;
    await this.launch(CLIENT, { ...options, name: this.name }, {}, through);
  }
}
