import { createServer } from 'node:http';
import { Webhook } from 'standardwebhooks';

/**
 * Receives webhooks, checks them, and handles each once: `node examples/webhook/receiver.js [PORT]`. It refuses every
 * second request the first time, so that one sees them come again.
 */
export const SECRET = 'whsec_bWlsbHJhY2UtZXhhbXBsZS1zZWNyZXQtMzItYnl0ZXM=';

const verifier = new Webhook(process.env.WEBHOOK_SECRET ?? SECRET);
/** The ids that were handled; an app keeps them in its database, in the transaction of what it does. */
const handled = new Set();
let requests = 0;

const server = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  let event;
  try {
    const headers = /** @type {Record<string, string>} */ (request.headers);
    event = verifier.verify(body, headers);
  } catch (error) {
    response.writeHead(401).end(error.message);
    return;
  }
  const id = request.headers['webhook-id'];
  if (++requests % 2 === 0 && !handled.has(id)) {
    response.writeHead(503, { 'retry-after': '1' }).end('busy, come again');
    return;
  }
  if (!handled.has(id)) {
    handled.add(id);
    console.log(`${event.topic}: order ${event.payload.order} for ${event.payload.total}`);
  }
  response.writeHead(204).end();
});

server.listen(Number(process.argv[2] ?? 8080), '127.0.0.1', () => {
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  console.log(`listening on http://127.0.0.1:${port}/hooks`);
});
