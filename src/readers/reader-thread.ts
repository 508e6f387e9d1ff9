/** The entry of a thread that reads history. */
import { parentPort, workerData } from 'node:worker_threads';
import type { ReaderMail, ReaderThreadData } from '../link/reader-mail.js';
import { Reader } from './reader.js';

const reader = new Reader(workerData as ReaderThreadData, {
  notify: (notice) => parentPort?.postMessage(notice),
  exit: () => process.exit(),
});
parentPort?.on('message', (mail: ReaderMail) => reader.take(mail));
