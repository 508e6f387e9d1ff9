import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { WebSocketServer } from 'ws';
import { appender, linesOf } from '../checker/history.js';

/**
 * The diaries of a game's members. Each is a file of JSON arrays, one a line, that begin with a time of the machine's
 * monotonic clock, ns: all processes of the machine share it. Processes of Node write theirs themselves; those of pages
 * come over a WebSocket, and a line is answered when it is in the file.
 */
export class Diaries {
  #folder;
  #server;
  #page;

  /** @param page the script that every page loads */
  constructor(folder, page) {
    this.#folder = folder;
    this.#page = page;
    mkdirSync(folder, { recursive: true });
  }

  /** Serves the page, and takes the diaries of pages. */
  async listen() {
    const html = '<!doctype html><script src="/page.js"></script>';
    this.#server = createServer(({ url }, response) => {
      const isScript = url === '/page.js';
      response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
      response.end(isScript ? this.#page : html);
    });
    const sockets = new WebSocketServer({ server: this.#server });
    sockets.on('connection', (socket, { url }) => {
      const write = this.open(String(url).slice(1));
      socket.on('error', () => {});
      socket.on('message', (data) => {
        write(JSON.parse(data.toString()));
        socket.send('');
      });
    });
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  get port() {
    return this.#server.address().port;
  }

  file(name) {
    return join(this.#folder, `${name}.jsonl`);
  }

  open(name) {
    const append = appender(this.file(name));
    return (line) => append(...line);
  }

  /** The whole lines of a diary; a kill may have cut the last one. */
  read(name) {
    return [...linesOf(this.file(name))];
  }

  close() {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
