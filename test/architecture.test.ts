import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type * as packed from '../src/threads/packed.js';
import { built } from './testing/subjects.js';

/**
 * Who may import whom, by folder of `src`: imports run one way, and there are no cycles. What a
 * thread starts by URL is not imported. A folder within a folder that has a line of its own is a folder like any other: its
 * parent's line says nothing of it. An entry may be a folder, or the beginning of file names in one. Type imports count
 * as much as others: two files that name each other's types are one thing in two places.
 */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  // For applications; nothing of the bus knows it.
  vocabulary: [],
  collections: [],
  // Node's and a browser's; `#async-context` chooses.
  'async-context': ['protocol/errors'],
  // From a queue to a handler or an iterator, for the bus and the client.
  handout: ['protocol', 'collections', 'async-context/context', 'async-context/drain-in-handler'],
  // What every thread that we start has in common.
  threads: ['protocol/limits', 'collections'],
  record: ['protocol'],
  ring: ['protocol', 'record'],
  // What main and the shards say to each other, and the store's shapes in it.
  link: ['protocol', 'record', 'ring', 'collections', 'handout/watch-signal', 'threads', 'store'],
  // The contracts, and the shapes in them.
  store: ['protocol', 'record'],
  // What all stores on brokers have in common.
  'store/shared': ['protocol', 'record', 'threads', 'store'],
  'store/nats': ['protocol', 'record', 'threads', 'store', 'store/shared'],
  'store/redis': ['protocol', 'record', 'threads', 'store', 'store/shared'],
  // The log of a desk in a thread of its own, for buses on brokers.
  'store/desk': ['protocol', 'record', 'store', 'store/sqlite', 'link', 'threads', 'relay/guests'],
  // Stands for a desk on the nodes that do not serve consumers, and receives their endpoints where it is.
  relay: ['protocol', 'collections', 'ring', 'link', 'threads', 'store', 'shards/shard-end'],
  'store/sqlite/driver': ['protocol'],
  // What lies beside the logs, and what their files say without SQLite.
  'store/directory': ['protocol', 'store', 'store/sqlite/driver'],
  'store/sqlite/tables': ['protocol', 'store/sqlite/driver'],
  'store/sqlite/rows': [
    'protocol',
    'record',
    'store',
    'store/directory/payload-files',
    'store/sqlite/driver',
    'store/sqlite/encoding',
    'store/sqlite/tables',
  ],
  // Formats that several indexes share.
  'store/sqlite/encoding': [],
  'store/sqlite/fields': [
    'protocol',
    'store/sqlite/driver',
    'store/sqlite/encoding',
    'store/sqlite/tables',
    'store/sqlite/rows',
  ],
  'store/sqlite/index': [
    'protocol',
    'record',
    'store',
    'store/sqlite/driver',
    'store/sqlite/encoding',
    'store/sqlite/fields',
    'store/sqlite/tables',
    'store/sqlite/rows',
  ],
  'store/sqlite/consumers': [
    'protocol',
    'store',
    'store/sqlite/driver',
    'store/sqlite/tables',
    'store/sqlite/rows',
  ],
  'store/sqlite/scheduled': [
    'protocol',
    'record',
    'store',
    'store/sqlite/driver',
    'store/sqlite/tables',
    'store/sqlite/rows',
  ],
  'store/sqlite/dedupe': [
    'protocol',
    'record',
    'store/recorded-step',
    'store/sqlite/driver',
    'store/sqlite/tables',
    'store/sqlite/rows',
    'store/sqlite/index',
  ],
  // Payloads in files of their own.
  'store/sqlite/payloads': [
    'protocol',
    'store/directory',
    'store/sqlite/driver',
    'store/sqlite/tables',
    'store/sqlite/rows',
  ],
  // What is removed, and who decides it.
  'store/sqlite/retention': [
    'protocol',
    'store',
    'store/sqlite/driver',
    'store/sqlite/fields',
    'store/sqlite/tables',
    'store/sqlite/rows',
    'store/sqlite/index',
    'store/sqlite/consumers',
  ],
  'store/sqlite/connection': [
    'protocol',
    'store/directory',
    'store/sqlite/driver',
    'store/sqlite/tables',
    'store/sqlite/rows',
    'store/sqlite/index',
  ],
  'store/sqlite/reading': [
    'protocol',
    'record',
    'store',
    'store/directory/payload-files',
    'store/sqlite/driver',
    'store/sqlite/fields',
    'store/sqlite/tables',
    'store/sqlite/rows',
    'store/sqlite/index',
    'store/sqlite/connection',
  ],
  'store/sqlite': [
    'protocol',
    'record',
    'store',
    'store/directory',
    'store/sqlite/driver',
    'store/sqlite/encoding',
    'store/sqlite/fields',
    'store/sqlite/tables',
    'store/sqlite/rows',
    'store/sqlite/index',
    'store/sqlite/consumers',
    'store/sqlite/scheduled',
    'store/sqlite/dedupe',
    'store/sqlite/connection',
    'store/sqlite/payloads',
    'store/sqlite/reading',
    'store/sqlite/retention',
  ],
  // From one store into another, whichever they are.
  'store/copy': ['protocol', 'record', 'store'],
  // What is done to a directory as a whole.
  'store/upkeep': [
    'protocol',
    'record',
    'threads',
    'store',
    'store/copy/copy-source',
    'store/directory',
    'store/sqlite/driver',
    'store/sqlite/encoding',
    'store/sqlite/fields',
    'store/sqlite/tables',
    'store/sqlite/rows',
    'store/sqlite/index',
    'store/sqlite/consumers',
    'store/sqlite/scheduled',
    'store/sqlite/connection',
    'store/sqlite/payloads',
    'store/sqlite',
  ],
  // A thread that reads history for the endpoints.
  readers: ['protocol', 'collections', 'link', 'store', 'threads/work-shares'],
  // What becomes of the events of a consumer in one shard; no I/O, no clock, no thread.
  consumers: ['protocol'],
  // When schedules are due; no I/O, no clock.
  schedules: ['protocol'],
  shards: [
    'protocol',
    'record',
    'ring',
    'link',
    'collections',
    'threads',
    'store',
    'consumers',
    'schedules',
  ],
  // The stores that need nothing else.
  'store/embedded': [
    'protocol',
    'store',
    'store/directory',
    'store/sqlite/driver',
    'store/sqlite/fields',
    'store/sqlite/connection',
    'store/sqlite/reading',
    'store/sqlite',
    'store/upkeep',
    'threads/packed',
  ],
  // What retention removes goes there first: segments, and the places that hold them.
  'archive/segments': ['protocol', 'record', 'store', 'archive/targets'],
  'archive/targets': ['protocol', 'store/directory'],
  archive: [
    'store/directory',
    'protocol',
    'record',
    'link/archive-words',
    'threads',
    'store',
    'archive/segments',
    'archive/targets',
  ],
  // For those who write a store: the checks of both contracts, and a broker in memory to compare with.
  testing: ['protocol', 'record', 'store'],
  'testing/broker': ['protocol', 'record', 'threads', 'store', 'store/shared'],
  // Rules that watch a bus; the bus hands itself in.
  alerts: ['protocol'],
  // What every attached thread runs, in rooms: the links to the shards, and what goes over them.
  'endpoint/links': ['protocol', 'record', 'ring', 'link', 'collections', 'threads'],
  'endpoint/publish': ['protocol', 'record', 'link', 'collections', 'handout', 'endpoint/links'],
  'endpoint/read': [
    'protocol',
    'collections/page-items',
    'record',
    'link',
    'store',
    'endpoint/links',
    'endpoint/asker',
  ],
  // Questions that are asked here, and those that are answered.
  'endpoint/request': [
    'protocol',
    'link',
    'async-context',
    'handout',
    'threads',
    'endpoint/main-thread',
    'endpoint/publish/event-ids',
  ],
  // Members of consumers.
  'endpoint/consume': [
    'protocol',
    'link',
    'async-context',
    'collections',
    'handout',
    'threads',
    'endpoint/links',
    'endpoint/read',
    'endpoint/asker',
  ],
  // What is published later.
  'endpoint/later': [
    'protocol',
    'link',
    'store',
    'schedules',
    'endpoint/links',
    'endpoint/asker',
    'endpoint/main-thread',
  ],
  'endpoint/subscribe': [
    'protocol',
    'record',
    'link',
    'async-context',
    'collections',
    'handout',
    'store',
    'endpoint/links',
    'endpoint/read',
    'endpoint/asker',
    'endpoint/options',
  ],
  endpoint: [
    'protocol',
    'link',
    'async-context',
    'handout',
    'threads',
    'store',
    'endpoint/links',
    'endpoint/publish',
    'endpoint/read',
    'endpoint/consume',
    'endpoint/later',
    'endpoint/request',
    'endpoint/subscribe',
  ],
  // What runs once: it opens the directory and its readers; the shards write the log.
  main: [
    'protocol',
    'record',
    'alerts',
    'link',
    'endpoint',
    'handout/watch-signal',
    'ring/wait',
    'threads',
    'store',
    'store/embedded',
    'auth/auth-options',
    'archive/archive',
  ],
  // Who may do what: keys, tokens, grants.
  auth: ['protocol'],
  // A gateway and all that its doors share. `doors.ts` lists the doors, which know nothing of each other.
  gateway: [
    'protocol',
    'collections',
    'threads/within',
    'endpoint',
    'main/gateway-',
    'auth',
    'gateway/budget',
    'gateway/figures',
    'gateway/consumers',
    'gateway/later',
    'gateway/http',
    'gateway/websocket',
  ],
  'gateway/budget': ['protocol', 'collections', 'threads/work-shares', 'endpoint/asker', 'auth'],
  'gateway/figures': ['protocol'],
  // Durable consumers, for the clients of every door.
  'gateway/consumers': ['protocol', 'endpoint', 'auth', 'gateway', 'gateway/budget'],
  // What is published later, likewise.
  'gateway/later': ['protocol', 'endpoint', 'auth', 'gateway'],
  'gateway/http': [
    'protocol',
    'endpoint',
    'auth',
    'gateway',
    'gateway/budget',
    'gateway/consumers',
    'gateway/later',
  ],
  'gateway/websocket': [
    'protocol',
    'collections',
    'threads/within',
    'endpoint',
    'auth',
    'gateway',
    'gateway/budget',
    'gateway/consumers',
    'gateway/later',
    'gateway/http/exchange',
  ],
  client: [
    'protocol',
    'collections',
    'handout',
    'async-context/context',
    'async-context/drain-in-handler',
  ],
  // Programs on consumers. They know the bus by the types of its public calls alone, as an application does.
  sinks: ['protocol', 'client.ts', 'handout/lifetime', 'handout/watch-signal'],
  // A copy of a remote bus: local buses, a client and a sink.
  mirror: [
    'protocol',
    'client.ts',
    'handout/lifetime',
    'main',
    'sinks/sink',
    'sinks/forward',
    'store/directory/files',
  ],
  // The page in the browser. It knows the bus by `millrace/client` alone, as any application does.
  dashboard: [],
  // `verify` and `reshard` work on a directory that no bus has open.
  cli: [
    'protocol',
    'endpoint',
    'main',
    'gateway',
    'client',
    'sinks',
    'sinks.ts',
    'store',
    'store/copy',
    'store/upkeep',
    'archive/verify-archive',
    'store/sqlite/driver',
    'auth',
    'index',
  ],
  // The public entries.
  index: [
    'protocol',
    'vocabulary',
    'endpoint',
    'store/backup',
    'store/log-store',
    'store/nats',
    'store/redis/redis-store',
    'store/redis/redis-options',
    'main',
    'mirror',
    'gateway/create-gateway',
    'auth/auth-options',
    'auth/grants',
  ],
  'client.ts': ['protocol', 'vocabulary', 'client'],
  'react.ts': ['protocol', 'client'],
  'sinks.ts': ['protocol', 'sinks'],
  'store.ts': ['protocol', 'record', 'store'],
  'testing.ts': ['main/open-bus', 'store', 'testing', 'testing/broker'],
};

/** Folders whose code runs in a browser. */
const BROWSER_FOLDERS = ['protocol', 'vocabulary', 'collections', 'handout', 'client', 'dashboard'];

const SOURCE_ROOT = fileURLToPath(new URL('../src/', import.meta.url));
const FILES = sourceFiles();
const GRAPH = new Map(FILES.map((file) => [file, localImports(file, read(file))]));

describe('the source', () => {
  it('imports one way', () => {
    expect(breaches(GRAPH)).toEqual([]);
  });

  it('has no cycle of imports', () => {
    expect(findCycle(GRAPH)).toBeUndefined();
  });

  it('keeps Node out of what runs in a browser', () => {
    const ofNode = /\b(?:Buffer|process|require|__dirname|setImmediate)\b[.(]/;
    for (const file of FILES.filter(isForBrowsers)) {
      const text = read(file);
      const outside = importSpecifiers(text).filter((specifier) => specifier.startsWith('node:'));
      expect(outside, file).toEqual([]);
      expect(withoutComments(text), file).not.toMatch(ofNode);
    }
  });

  it('packs all that threads begin with, or import by its URL, and threads begin with that', async () => {
    const named = FILES.flatMap((file) =>
      [...read(file).matchAll(/threadModule\(\s*'([^']+)'/g)].map((match) => match[1]!),
    );
    const { default: config } = await import('../scripts/threads.config.js');
    const { input } = config.build!.rolldownOptions!;
    expect(Object.keys(input as object).sort()).toEqual(named.sort());
    const { threadModule } = await built<typeof packed>('threads/packed');
    for (const name of named) expect(threadModule(name).pathname).toContain(`/dist/packed/${name}`);
  });

  it('starts the command line without the bus, which few commands need', () => {
    const started = new Set(['cli/millrace.ts']);
    for (const file of started) for (const target of importsAtStart(file)) started.add(target);
    const ofBus = /^(?:main|store|shards|gateway|relay|archive)\/|^index\.ts$/;
    const found = [...started].filter((file) => ofBus.test(file));
    expect(found).toEqual(['gateway/version.ts']);
    expect(started.size).toBeGreaterThan(50);
  });

  it('comes to SQLite by one door', () => {
    const binding = /['"`](?:better-sqlite3|node:sqlite)/;
    const doors = FILES.filter((file) => binding.test(withoutComments(read(file))));
    expect(doors).toEqual(['store/sqlite/driver/driver.ts']);
  });

  it('has each limit depend on other limits alone', () => {
    const ofLimits = FILES.filter((file) => file.startsWith('protocol/limits/'));
    const targets = ofLimits.flatMap((file) => GRAPH.get(file)!);
    expect(ofLimits).not.toEqual([]);
    expect(targets.filter((target) => !target.startsWith('protocol/limits/'))).toEqual([]);
  });

  it('takes no package but valibot into the protocol', () => {
    for (const file of FILES.filter((name) => name.startsWith('protocol/'))) {
      const packages = importSpecifiers(read(file)).filter((name) => !name.startsWith('.'));
      expect(
        packages.filter((name) => name !== 'valibot'),
        file,
      ).toEqual([]);
    }
  });
});

describe('the check itself', () => {
  it('sees every form of import', () => {
    const text = [
      "import './a.js';",
      "import b from './b.js';",
      "import type { C } from './c.js';",
      'import {\n  d,\n  type D,\n} from "./d.js";',
      "export * from './e.js';",
      "export { f } from './f.js';",
      "const g = await import('./g.js');",
      "import * as h from 'node:fs';",
      " * import { no } from './no.js';",
      "// import './no.js';",
      "const url = new URL('./no.js', import.meta.url);",
    ].join('\n');
    expect(importSpecifiers(text).sort()).toEqual([
      './a.js',
      './b.js',
      './c.js',
      './d.js',
      './e.js',
      './f.js',
      './g.js',
      'node:fs',
    ]);
  });

  it('sees a breach, and a cycle', () => {
    const bad = new Map([
      ['protocol/a.ts', ['ring/b.ts']],
      ['ring/b.ts', ['protocol/c.ts']],
      ['protocol/c.ts', ['protocol/a.ts']],
      ['main/d.ts', ['store/sqlite/sqlite-shard-log.ts', 'store/log-store.ts']],
    ]);
    expect(breaches(bad)).toEqual([
      'protocol/a.ts -> ring/b.ts',
      'main/d.ts -> store/sqlite/sqlite-shard-log.ts',
    ]);
    expect(findCycle(bad)).toHaveLength(4);
    expect(
      findCycle(
        new Map([
          ['a', ['b', 'c']],
          ['b', ['c']],
          ['c', []],
        ]),
      ),
    ).toBeUndefined();
  });
});

type Graph = ReadonlyMap<string, readonly string[]>;

function isForBrowsers(file: string): boolean {
  return BROWSER_FOLDERS.some((folder) => file.startsWith(`${folder}/`));
}

function breaches(graph: Graph): string[] {
  return [...graph].flatMap(([file, targets]) =>
    targets.filter((target) => !isAllowed(file, target)).map((target) => `${file} -> ${target}`),
  );
}

function isAllowed(file: string, target: string): boolean {
  const from = layerOf(file);
  const allowed = ALLOWED[from];
  if (allowed === undefined) throw new Error(`src/${from} has no place in the table of this test`);
  if (layerOf(target) === from) return true;
  return allowed.some(
    (entry) =>
      layerOf(target) === entry ||
      // The beginning of file names, and not a folder.
      (ALLOWED[entry] === undefined && target.startsWith(entry)),
  );
}

/**
 * The nearest folder that has a line in the table; for a file at the top its name, without the ending where no folder
 * is called so.
 */
function layerOf(file: string): string {
  if (!file.includes('/')) return file === 'index.ts' ? 'index' : file;
  let folder = posix.dirname(file);
  while (ALLOWED[folder] === undefined && folder.includes('/')) folder = posix.dirname(folder);
  return folder;
}

/** The files of one cycle, the first again at the end, or `undefined`. */
function findCycle(graph: Graph): string[] | undefined {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string[] | undefined => {
    const at = path.indexOf(file);
    if (at >= 0) return [...path.slice(at), file];
    if (done.has(file)) return undefined;
    path.push(file);
    for (const target of graph.get(file) ?? []) {
      const cycle = visit(target);
      if (cycle !== undefined) return cycle;
    }
    path.pop();
    done.add(file);
    return undefined;
  };
  for (const file of graph.keys()) {
    const cycle = visit(file);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

/**
 * The formatter puts every import and re-export at the start of a line, which no comment here is.
 */
function importSpecifiers(text: string): string[] {
  const forms = [
    /^(?:import|export)\b[^'";]*?\bfrom\s+['"]([^'"]+)['"]/gm,
    /^import\s+['"]([^'"]+)['"]/gm,
    /\bimport\(\s*['"]([^'"]+)['"]/g,
  ];
  return forms.flatMap((form) => [...text.matchAll(form)].map((match) => match[1]!));
}

function withoutComments(text: string): string {
  return text.replace(/^\s*(?:\/\/|\/\*\*|\*).*$/gm, '');
}

function localImports(file: string, text: string): string[] {
  return importSpecifiers(text)
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => posix.join(posix.dirname(file), specifier))
    .map((path) => sourceOf(path));
}

/** The sources that are loaded with a file, and not first when something asks for them. */
function importsAtStart(file: string): string[] {
  const values = /^(?:import|export) (?!type\b)[^;]*?from '(\.[^']+)';/gm;
  const specifiers = [...read(file).matchAll(values)].map((match) => match[1]!);
  return specifiers.map((specifier) => sourceOf(posix.join(posix.dirname(file), specifier)));
}

/** `x.js` is compiled from `x.ts` or `x.tsx`; anything else is imported as it is. */
function sourceOf(path: string): string {
  const tsx = path.replace(/\.jsx?$/, '.tsx');
  return FILES.includes(tsx) ? tsx : path.replace(/\.js$/, '.ts');
}

function read(file: string): string {
  return readFileSync(posix.join(SOURCE_ROOT, file), 'utf8');
}

function sourceFiles(): string[] {
  return readdirSync(SOURCE_ROOT, { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => /\.tsx?$/.test(file))
    .sort();
}
