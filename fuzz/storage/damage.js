import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/**
 * The damage that disks, cables, file systems and people do to a directory: bits flipped; sectors and pages zeroed,
 * filled with other data, written in the wrong place, twice or never; files cut, lengthened, emptied, removed,
 * exchanged, or put back from an older copy.
 */
const SECTOR_BYTES = 512;
const BLOCK_BYTES = 4096;
const WAL_HEADER_BYTES = 32;
const FRAME_BYTES = 16 * 1024 + 24;
const TREE_PAGE_BYTES = 16 * 1024;
/** The part of a page in which SQLite keeps the page's structure. */
const PAGE_HEADER_BYTES = 120;

const BYTE_DAMAGE = {
  bit: (bytes, random) => flipBit(bytes, random.below(bytes.length), random),
  'bit of a page header': (bytes, random, layout) => {
    const page = random.pick(pagesOf(bytes, layout));
    const at = page.start + random.below(Math.min(PAGE_HEADER_BYTES, page.end - page.start));
    flipBit(bytes, at, random);
  },
  byte: (bytes, random) => (bytes[random.below(bytes.length)] = random.below(256)),
  'run of bytes': (bytes, random) => {
    const from = random.below(bytes.length);
    fillRandom(bytes, from, Math.min(bytes.length, from + 1 + random.below(64)), random);
  },
  'sector zeroed': (bytes, random) => zeroPiece(bytes, SECTOR_BYTES, random),
  'block zeroed': (bytes, random) => zeroPiece(bytes, BLOCK_BYTES, random),
  'page zeroed': (bytes, random, layout) => {
    const { start, end } = random.pick(pagesOf(bytes, layout));
    bytes.fill(0, start, end);
  },
  'page filled with anything': (bytes, random, layout) => {
    const { start, end } = random.pick(pagesOf(bytes, layout));
    fillRandom(bytes, start, end, random);
  },
  'page in the place of another': (bytes, random, layout) => {
    const [from, to] = [random.pick(pagesOf(bytes, layout)), random.pick(pagesOf(bytes, layout))];
    bytes.copyWithin(to.start, from.start, Math.min(from.end, from.start + to.end - to.start));
  },
  'pages exchanged': (bytes, random, layout) => {
    const [one, other] = [random.pick(pagesOf(bytes, layout)), random.pick(pagesOf(bytes, layout))];
    const kept = Buffer.from(bytes.subarray(one.start, one.end));
    bytes.copyWithin(one.start, other.start, other.end);
    kept.copy(bytes, other.start);
  },
  'page of an index damaged': (bytes, random, layout) => {
    const isIndex = ({ start }) => [0x02, 0x0a].includes(bytes[start]);
    const found = pagesOf(bytes, layout).filter(isIndex);
    const { start, end } = random.pick(found.length > 0 ? found : pagesOf(bytes, layout));
    flipBit(bytes, start + random.below(end - start), random);
  },
};

/** Damage to a whole file; these functions write to the directory themselves. */
const FILE_DAMAGE = {
  cut: ({ path, bytes, random }) =>
    writeFileSync(path, bytes.subarray(0, random.below(bytes.length))),
  'cut at a page': ({ path, bytes, random, layout }) =>
    writeFileSync(path, bytes.subarray(0, random.pick(pagesOf(bytes, layout)).start)),
  lengthened: ({ path, bytes, random }) => {
    const more = Buffer.alloc(1 + random.below(2 * TREE_PAGE_BYTES), random.below(256));
    writeFileSync(path, Buffer.concat([bytes, more]));
  },
  emptied: ({ path }) => writeFileSync(path, ''),
  removed: ({ path }) => rmSync(path),
  'put back from an older copy': ({ path, stale }) => {
    if (existsSync(stale)) copyFileSync(stale, path);
    else rmSync(path);
  },
  'a page of it written into another file': ({ dir, bytes, random, layout }) => {
    const name = random.pickWeighted(weightsOf(dir));
    const other = readFileSync(join(dir, name));
    const [from, to] = [
      random.pick(pagesOf(bytes, layout)),
      random.pick(pagesOf(other, layoutOf(name))),
    ];
    bytes.copy(other, to.start, from.start, Math.min(from.end, from.start + to.end - to.start));
    writeFileSync(join(dir, name), other);
  },
  'put there from another directory': ({ path, foreign }) => {
    if (existsSync(foreign)) copyFileSync(foreign, path);
  },
  "exchanged with the other shard's": ({ path }) => {
    const other = path.replace(/shard-00([01])/, (_, shard) => `shard-00${1 - shard}`);
    if (other === path || !existsSync(other)) return;
    renameSync(path, `${path}.kept`);
    renameSync(other, path);
    renameSync(`${path}.kept`, other);
  },
};

const KINDS = {
  bit: 8,
  'bit of a page header': 4,
  byte: 2,
  'run of bytes': 2,
  'sector zeroed': 2,
  'block zeroed': 2,
  'page zeroed': 2,
  'page filled with anything': 1,
  'page in the place of another': 4,
  'pages exchanged': 2,
  'page of an index damaged': 3,
  cut: 2,
  'cut at a page': 2,
  lengthened: 1,
  emptied: 1,
  removed: 2,
  'put back from an older copy': 3,
  'a page of it written into another file': 3,
  'put there from another directory': 2,
  "exchanged with the other shard's": 2,
};

/**
 * Damages the directory in one or two places. `stale` is an older copy of it, `foreign` a directory of another history.
 * @returns what was done, in words
 */
export function damage({ dir, stale, foreign }, random) {
  const times = random.chance(0.15) ? 2 : 1;
  return Array.from({ length: times }, () => damageOnce({ dir, stale, foreign }, random)).join(
    ', and ',
  );
}

function damageOnce({ dir, stale, foreign }, random) {
  const name = random.pickWeighted(weightsOf(dir));
  const path = join(dir, name);
  const bytes = readFileSync(path);
  let kind = random.pickWeighted(KINDS);
  if (bytes.length === 0) kind = 'removed';
  const layout = layoutOf(name);
  if (kind in FILE_DAMAGE) {
    const others = { stale: join(stale, name), foreign: join(foreign, name) };
    FILE_DAMAGE[kind]({ dir, path, bytes, random, layout, ...others });
  } else {
    BYTE_DAMAGE[kind](bytes, random, layout);
    writeFileSync(path, bytes);
  }
  return `${name}: ${kind}`;
}

function layoutOf(name) {
  return { isWal: name.endsWith('-wal'), isLog: name.endsWith('.db') };
}

/** Files that matter most are damaged most often. */
function weightsOf(dir) {
  const names = readdirSync(dir, { recursive: true })
    .map(String)
    .filter((name) => !name.endsWith('-shm') && statSync(join(dir, name)).isFile());
  return Object.fromEntries(names.map((name) => [name, weightOf(name)]));
}

function weightOf(name) {
  if (/^shard-\d+\.db$/.test(name)) return 50;
  if (name.endsWith('-wal')) return 30;
  if (name === 'manifest.json') return 10;
  if (name.endsWith('.mark') || name.endsWith('.unflushed')) return 6;
  return 2;
}

/** The pieces in which SQLite writes its files; for other files, the blocks of the disk. */
function pagesOf(bytes, { isWal, isLog }) {
  const size = isWal ? FRAME_BYTES : isLog ? TREE_PAGE_BYTES : BLOCK_BYTES;
  const pages = [];
  for (let start = isWal ? WAL_HEADER_BYTES : 0; start < bytes.length; start += size) {
    pages.push({ start, end: Math.min(bytes.length, start + size) });
  }
  return pages.length > 0 ? pages : [{ start: 0, end: bytes.length }];
}

function flipBit(bytes, at, random) {
  bytes[at] ^= 1 << random.below(8);
}

function fillRandom(bytes, from, to, random) {
  for (let at = from; at < to; at++) bytes[at] = random.below(256);
}

function zeroPiece(bytes, size, random) {
  const from = random.below(Math.ceil(bytes.length / size)) * size;
  bytes.fill(0, from, Math.min(bytes.length, from + size));
}
