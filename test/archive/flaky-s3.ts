import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import S3rver from 's3rver';
import { onTestFinished } from 'vitest';
import { temporaryDirectory } from '../store/directories.js';

/**
 * A server that speaks S3's protocol, behind one that passes requests on as the test says: busy, away, or with answers that
 * are lost although the request was carried out.
 */
export const KEY = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };

export type Fault =
  /** Answered with this status, and not carried out. */
  | { readonly status: number; readonly code?: string }
  /** Carried out; the answer is this status instead. */
  | { readonly afterwards: number }
  /** Carried out; the connection ends in the middle of the answer, whose length nobody has told. */
  | { readonly cutAnswerAt: number }
  | 'reset';

export class FlakyS3 {
  /** The fault of each request; `undefined`: it is passed on. */
  fault: (request: IncomingMessage) => Fault | undefined = () => undefined;
  /** The methods and paths of all requests. */
  readonly asked: string[] = [];
  endpoint = '';
  #behind = 0;

  static async start(): Promise<FlakyS3> {
    const flaky = new FlakyS3();
    const server = new S3rver({
      port: 0,
      address: '127.0.0.1',
      silent: true,
      directory: temporaryDirectory(),
      configureBuckets: [{ name: 'archive' }],
    });
    flaky.#behind = (await server.run()).port;
    const front = createServer((asked, answer) => flaky.#take(asked, answer));
    await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
    flaky.endpoint = `http://127.0.0.1:${(front.address() as AddressInfo).port}`;
    onTestFinished(async () => {
      front.closeAllConnections();
      front.close();
      await server.close();
    });
    return flaky;
  }

  /** The option `archive.s3`. */
  get s3() {
    return { endpoint: this.endpoint, region: 'us-east-1', bucket: 'archive', credentials: KEY };
  }

  #take(asked: IncomingMessage, answer: ServerResponse): void {
    this.asked.push(`${asked.method} ${asked.url}`);
    const fault = this.fault(asked);
    if (fault === 'reset') asked.socket.resetAndDestroy();
    else if (fault !== undefined && 'status' in fault) {
      asked.resume();
      answer
        .writeHead(fault.status, { 'content-type': 'application/xml' })
        .end(`<Error><Code>${fault.code ?? 'SlowDown'}</Code><Message>later</Message></Error>`);
    } else this.#pass(asked, answer, fault);
  }

  #pass(asked: IncomingMessage, answer: ServerResponse, fault: Fault | undefined): void {
    const { method, url, headers } = asked;
    const options = { port: this.#behind, host: '127.0.0.1', method, path: url, headers };
    const behind = request(options as object, async (got) => {
      const chunks: Buffer[] = [];
      for await (const chunk of got) chunks.push(chunk);
      const body = Buffer.concat(chunks);
      if (typeof fault === 'object' && 'afterwards' in fault) {
        answer.writeHead(fault.afterwards).end('<Error><Code>InternalError</Code></Error>');
      } else if (typeof fault === 'object' && 'cutAnswerAt' in fault) {
        // Without a length the end of the connection is the end of the answer.
        answer.useChunkedEncodingByDefault = false;
        answer.writeHead(200, { connection: 'close', 'content-type': 'application/xml' });
        answer.end(body.subarray(0, fault.cutAnswerAt));
      } else answer.writeHead(got.statusCode!, got.headers).end(body);
    });
    behind.on('error', () => asked.socket.destroy());
    asked.pipe(behind);
  }
}
