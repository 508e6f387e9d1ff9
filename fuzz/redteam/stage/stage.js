import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Agent } from 'node:http';
import { CAST, claimsOf, guarded, jwt, mint } from './cast.js';
import { ask, raw } from './http.js';
import { Server } from './server.js';
import { Socket } from './socket.js';

/**
 * Where a room's attacks are played: a server, its principals, and the sockets of the attack in hand, which are closed
 * behind it. After each attack the stage asks whether the server was hurt, and whether an honest client still gets what
 * is its own.
 *
 * @typedef {{
 *   cast?: Record<string, any>, config?: Record<string, any> | ((folder: string) => Record<string, any>),
 *   env?: Record<string, string>, args?: readonly string[],
 * }} StageOptions
 * @typedef {{ seed: number, isLong: boolean, dist?: string }} Manner
 */
export class Stage {
  /** @type {Socket[]} */
  #sockets = [];
  #count = 0;
  #agent = new Agent({ keepAlive: true });

  /** @param {Server} server @param {ReturnType<typeof mint>} minted @param {string} secret @param {Manner} manner */
  constructor(server, minted, secret, manner) {
    this.server = server;
    this.tokens = minted.tokens;
    this.keys = minted.keys;
    this.secret = secret;
    this.seed = manner.seed;
    this.isLong = manner.isLong;
    this.dist = manner.dist;
  }

  /** @param {StageOptions} options @param {Manner} manner */
  static async open({ cast = CAST, config = {}, env, args }, manner) {
    const minted = mint(cast);
    const secret = randomBytes(32).toString('hex');
    const server = await Server.start({
      config: (folder) => {
        const more = typeof config === 'function' ? config(folder) : config;
        return guarded(folder, { text: minted.text, secret }, more);
      },
      ...(env && { env }),
      ...(args && { args }),
      ...(manner.dist === undefined ? {} : { dist: manner.dist }),
    });
    return new Stage(server, minted, secret, manner);
  }

  get port() {
    return this.server.port;
  }

  /** A name that no attack has had. */
  fresh(prefix = 'n') {
    return `${prefix}${this.seed.toString(36)}x${++this.#count}`;
  }

  /** An open socket of this principal. @returns {Promise<Socket>} */
  async socket(name, options = {}) {
    const socket = await Socket.open(this.port, { token: this.tokens[name], ...options });
    this.#sockets.push(socket);
    await socket.next(({ type }) => type === 'welcome');
    return socket;
  }

  /** A request of this principal; without a name, of nobody in particular. */
  ask(name, options = {}) {
    const token = name === undefined ? {} : { token: this.tokens[name] };
    return ask(this.port, { agent: this.#agent, ...token, ...options });
  }

  raw(bytes, options = {}) {
    return raw(this.port, bytes, options);
  }

  /** The header of a request in raw bytes. */
  bearer(name) {
    return `Authorization: Bearer ${this.tokens[name]}\r\n`;
  }

  /** A JWT that holds, but for what `changes` and `form` say. */
  jwt(sub, grants, changes = {}, form = {}) {
    return jwt(claimsOf(sub, grants, changes), form.secret ?? this.secret, form);
  }

  /** Publishes for a principal, and returns the acks. */
  async publish(name, events, query = '') {
    const list = Array.isArray(events) ? events : [events];
    const answer = await this.ask(name, {
      method: 'POST',
      path: `/v1/events${query}`,
      body: list.map((event) => ({ type: 't', payload: null, ...event })),
    });
    assert.equal(answer.status, 200, answer.text);
    return answer.body;
  }

  /** Closes the sockets of an attack. */
  async clear() {
    await Promise.all(this.#sockets.splice(0).map((socket) => socket.close()));
  }

  /** @throws AssertionError where the attack has hurt the server, or an honest client is served no longer */
  async assertUnhurt() {
    assert.equal(
      this.server.isHurt,
      false,
      `the server is hurt:\n${this.server.text.slice(-4000)}`,
    );
    const topic = `alice.${this.fresh('well')}`;
    const [{ sequence }] = await this.publish('alice', { topic, payload: 'well' });
    const { status, body } = await this.ask('alice', { path: `/v1/events?topic=${topic}` });
    assert.equal(status, 200);
    assert.deepEqual([body.length, body[0].sequence, body[0].payload], [1, sequence, 'well']);
    const { status: isLive } = await this.ask(undefined, { path: '/livez' });
    assert.equal(isLive, 200);
  }

  async close() {
    await this.clear();
    this.#agent.destroy();
    await this.server.kill();
  }
}

/** Sees that nothing of a text is in what the attacker was told. */
export function assertUntold(told, secrets, what = 'the answer') {
  const text = typeof told === 'string' ? told : JSON.stringify(told);
  for (const secret of [secrets].flat()) {
    assert.ok(
      !text.includes(secret),
      `${what} tells ${JSON.stringify(secret)}: ${text.slice(0, 600)}`,
    );
  }
}

/** The server has refused this with one of these codes. */
export function assertRefused(answer, codes, what = '') {
  const { code, message } = answer.body ?? answer;
  assert.ok(
    [codes].flat().includes(code),
    `${what} was not refused: ${JSON.stringify({ code, message })} ${answer.text ?? ''}`,
  );
}

/** Two refusals that an attacker must not tell apart: equal, but for the words that the attacker has sent. */
export function assertAlike(one, other, words) {
  const plain = (answer) =>
    words.reduce((text, word) => text.replaceAll(word, '<word>'), JSON.stringify(answer));
  assert.equal(plain(one), plain(other));
}

/** Resolves when `isTrue` is. It is asked at most for `ms`. */
export async function until(what, isTrue, ms = 15_000) {
  const deadline = performance.now() + ms;
  while (!(await isTrue())) {
    assert.ok(performance.now() < deadline, `not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
