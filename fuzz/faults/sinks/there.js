import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { answerCalls } from '../answer-calls.js';
import { summaryOf } from './summary.js';

/** The bus to which events are forwarded: `node there.js OPTIONS`, `{ dist, dir, port }`. */
const options = JSON.parse(process.argv[2]);
const { openBus } = await import(pathToFileURL(join(options.dist, 'index.js')).href);
const bus = await openBus({ dir: options.dir, shards: 2 });
const gateway = await bus.serve({ port: 0, dashboard: false, heartbeatMs: 3000 });

answerCalls(
  {
    log: () => summaryOf(bus),
    end: async () => {
      await bus.close();
      process.exit(0);
    },
  },
  { url: gateway.url },
);
