import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';

/**
 * Runs one block of docs/CONSUMERS.md as it stands, in a process of its own: gives it what the page says is the reader's, and
 * ends with 0 once it has done what it says. The arguments are the file of the block and the name of its check.
 */

const [, , file, name] = process.argv;
const { openBus } = await import('millrace');
const { default: Database } = await import('better-sqlite3');

const sent = [];
let wake = () => {};
const note = (event) => {
  sent.push(event);
  wake();
};

/** Waits until something that was noted makes the condition true. The test ends a program that waits in vain. */
async function until(condition) {
  while (!(await condition())) {
    await new Promise((resolve) => {
      wake = resolve;
      setTimeout(resolve, 20);
    });
  }
}

const bus = await openBus({ dir: ':memory:', shards: 1 });
const db = new Database(':memory:');
db.exec('CREATE TABLE orders (number INTEGER)');
Object.assign(globalThis, {
  bus,
  db,
  send: async (event) => note(event),
  build: async (event, { signal }) => {
    if (!(signal instanceof AbortSignal)) throw new Error('there is no signal');
    note(event);
  },
  writeReport: async (payload, night) => note({ payload, night }),
});
/** The consumer that the page has opened before. */
const mailer = () =>
  bus.consumer('mailer', { filter: ['orders.*', '+.ordered'], from: 'earliest' });
const publish = (topic, payload = 1) => bus.publish({ topic, type: 'order_created', payload });
const isDone = async (count) => (await (await bus.consumer('mailer')).info()).acked === count;
const load = () => import(pathToFileURL(file).href);

const CHECKS = {
  async opened() {
    await load();
    for (const topic of ['orders.new', 'orders.paid']) await publish(topic);
    await until(() => isDone(2));
  },
  async worker() {
    await bus.consumer('mailer', { filter: 'orders.*', from: 'earliest' });
    const given =
      'data:text/javascript,import { parentPort } from "node:worker_threads";' +
      'globalThis.send = async (event) => parentPort.postMessage(event);';
    const { data, transferList } = bus.attachment();
    const execArgv = ['--import', given];
    const worker = new Worker(file, { workerData: { bus: data }, transferList, execArgv });
    worker.on('message', note);
    worker.on('error', (error) => {
      throw error;
    });
    for (let n = 0; n < 5; n++) await publish('orders.new', n);
    await until(() => isDone(5));
  },
  async members() {
    globalThis.mailer = await mailer();
    for (let n = 0; n < 5; n++) await publish('orders.new', n);
    void load();
    await until(() => isDone(5));
  },
  async pipeline() {
    globalThis.mailer = await mailer();
    await publish('acme.ordered');
    await load();
    await until(async () => (await bus.query({ topic: 'acme.mailed' })).length === 1);
    await until(() => isDone(1));
  },
  async readModel() {
    for (const cents of [100, -30]) await publish('accounts.ann', cents);
    await load();
    // The block stops its projection at once, wherever that is: after none of the events, one or both.
    const rows = db.prepare('SELECT account, cents FROM balances').all();
    const [{ account, cents } = { account: 'accounts.ann', cents: 0 }, ...more] = rows;
    if (account !== 'accounts.ann' || ![0, 100, 70].includes(cents) || more.length > 0) {
      throw new Error(JSON.stringify(rows));
    }
  },
  async outbox() {
    await load();
    if (db.prepare('SELECT number FROM orders').get()?.number !== 17) throw new Error('no order');
    // The block stops its courier at once, so the next one may find the row.
    const { outbox } = await import('millrace/sinks');
    const courier = outbox({ bus, db });
    const found = () => bus.query({ topic: 'orders.new' });
    await until(async () => (await found()).length > 0);
    await courier.stop();
    const events = await found();
    if (events.length > 1 || events[0].payload.number !== 17) throw new Error('not once');
  },
  async schedule() {
    await load();
    await publish('jobs.report', { kind: 'weekly' });
    await until(() => sent.length === 1);
    const [next] = await bus.schedules.next('nightly', 1);
    if (!/T0[01]:30:00/.test(next)) throw new Error(`not at night in Berlin: ${next}`);
  },
  async cancelled() {
    await load();
    const { publishes } = await bus.scheduled();
    if (publishes.length > 0) throw new Error('it still waits');
  },
};

await CHECKS[name]();
// What the page starts and does not end, such as a run, would keep the process.
process.exit(0);
