import { Actor } from '../world/actors.js';
import { clone } from '../world/clone.js';
import { VirtualPort } from '../world/ports.js';
import { ClientSocket } from '../world/sockets.js';
import { Player } from './player.js';

/**
 * Who plays the programs of a game: the endpoints of the process that runs, each in a thread of its own, and the clients,
 * which outlive it as programs on other machines do.
 */
/** Clients call their place in the history by this, as they belong to no process. */
const REMOTE = 'remote';
/** Of a client: short waits before it connects again, so that a game is over soon. */
const CONNECTS = { reconnectBaseMs: 4, reconnectMaxMs: 20, reconnectFloorMs: 1, onError: () => {} };
const URL = 'http://127.0.0.1:7400';

export class Cast {
  #product;
  #world;
  #history;
  #choices;
  /** @type {Map<string, any[]>} the lines of each place */
  #lines = new Map();
  /** @type {any[]} those of the process that runs */
  #players = [];
  /** @type {any[]} each `{ client, player, actor }` */
  #clients = [];
  /** @type {any[]} all endpoints that were made */
  #endpoints = [];
  #process = 0;

  constructor(product, world, history, choices) {
    this.#product = product;
    this.#world = world;
    this.#history = history;
    this.#choices = choices;
  }

  /** Another process begins. */
  begin(process) {
    this.#process = process;
    this.#history.begin();
    this.#players = [];
  }

  /** The bus of the process is open. */
  enter(bus, programs) {
    for (const [place, program] of programs.entries()) {
      if (place === 0) this.#join(bus, 'main', program);
      else this.#attach(bus, `worker-${place}`, program);
    }
  }

  /** The clients come, once the first gateway listens. */
  enterClients(programs) {
    if (this.#clients.length > 0) return;
    for (const [place, program] of programs.entries()) {
      const actor = this.#newActor(`client-${place}`);
      actor.isRemote = true;
      /** @type {any} */
      const one = { actor, client: undefined, player: { isDone: false } };
      this.#clients.push(one);
      actor.events.push(() => {
        const { network } = this.#world;
        const openSocket = (_options, listener) =>
          new NotingSocket(network, listener, this.#history);
        one.client = new this.#product.BusClient(openSocket, URL, CONNECTS);
        one.player = this.#play(one.client, { name: actor.name, process: REMOTE }, program);
      });
    }
  }

  get isDone() {
    return this.#players.every(({ isDone }) => isDone);
  }

  /** Whether so many clients have come and played their programs. */
  haveClientsDone(count) {
    return this.#clients.length === count && this.#clients.every(({ player }) => player.isDone);
  }

  /** Whether each client has a connection: one that has none waits for a clock. */
  get isConnected() {
    return this.#clients.every(({ client }) => client?.state === 'connected');
  }

  /** The process has ended: nobody will tell its endpoints anything. */
  leave() {
    for (const player of this.#players) player.stop?.();
    this.#forget(({ isRemote }) => !isRemote);
  }

  /** The clients close, in their threads. */
  closeClients() {
    for (const { actor, client, player } of this.#clients) {
      actor.events.push(() => {
        player.stop();
        void client.close();
      });
    }
  }

  /** Lets go of all that the product keeps for the end of its process. */
  dismiss() {
    for (const endpoint of [...this.#endpoints, ...this.#world.gatewayEndpoints])
      this.#product.forgetAtExit(endpoint);
  }

  #newActor(name) {
    const actor = this.#world.add(new Actor(name));
    actor.weight = this.#choices.weight(name);
    return actor;
  }

  #attach(bus, name, program) {
    const { data, transferList } = bus.attachment();
    const actor = this.#newActor(name);
    const own = clone(data, transferList);
    for (const port of transferList) if (port instanceof VirtualPort) port.take(actor);
    const player = { isDone: false };
    this.#players.push(player);
    actor.onEnd = () => {
      player.isDone = true;
      this.#left(name);
    };
    actor.events.push(() => {
      const endpoint = this.#product.attachBus(own, { onError: () => {} });
      this.#players.splice(this.#players.indexOf(player), 1);
      this.#join(endpoint, name, program);
    });
  }

  #join(endpoint, name, program) {
    this.#endpoints.push(endpoint);
    this.#players.push(this.#play(endpoint, { name, process: this.#process }, program));
  }

  #play(endpoint, place, program) {
    const lines = this.#lines.get(place.name) ?? [];
    this.#lines.set(place.name, lines);
    const player = new Player(endpoint, place, this.#history, lines, this.#product.positionsOf);
    if (place.process !== REMOTE) this.#world.current.onStep = () => player.look();
    player
      .play(program)
      .catch((error) => this.#history.problem(`a program failed: ${error?.stack}`));
    return player;
  }

  /** An endpoint's thread has died. */
  #left(name) {
    this.#history.jobs?.leave(({ endpoint }) => endpoint === name);
    for (const player of this.#players) {
      if (player.name !== name) continue;
      player.isDone = true;
      player.stop();
    }
    const publisher = `${this.#process}:${name}`;
    this.#forget((one) => one.publisher === publisher || one.endpoint === name);
  }

  #forget(isOf) {
    for (const publish of this.#history.publishes) {
      if (publish.status === 'pending' && isOf(publish)) {
        this.#history.fail(publish, { code: 'PUBLISH_UNKNOWN' });
      }
    }
    for (const call of this.#history.drains) {
      if (isOf(call)) this.#history.drains.delete(call);
    }
    for (const line of this.#history.lines) {
      if (!isOf(line)) continue;
      line.subscription = undefined;
      line.isReady = false;
    }
  }
}

/** Tells the history what is sent over it. */
class NotingSocket extends ClientSocket {
  #history;

  constructor(network, listener, history) {
    super(network, listener);
    this.#history = history;
  }

  /** @override */
  send(text) {
    super.send(text);
    this.#history.sent(text, this);
  }
}
