import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  hashOfPayload,
  isMissingPayload,
  PayloadFiles,
} from '../../../src/store/directory/payload-files.js';
import { expectBusError } from '../../bus/support/failures.js';
import { giveBack, onSmallDisk, takeAllRoom } from '../../support/small-disk.js';
import { temporaryDirectory } from '../directories.js';

function filesIn(dir = temporaryDirectory()): PayloadFiles {
  return new PayloadFiles(join(dir, 'shard-000.db'));
}

function put(files: PayloadFiles, text: string): { hash: string; length: number } {
  const payload = Buffer.from(text);
  const hash = hashOfPayload(payload);
  files.write(hash, payload);
  files.flushNames([hash]);
  return { hash, length: payload.length };
}

function failureOf(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('the payload files of a log', () => {
  it('lie beside it, each under the SHA-256 of its bytes, for the owner only', () => {
    const dir = temporaryDirectory();
    const files = filesIn(dir);
    const { hash } = put(files, '"abc"');
    const file = join(dir, 'shard-000.payloads', hash.slice(0, 2), hash);
    expect(hash).toBe('6cc43f858fbb763301637b5af970e2a46b46f461f27e5a0f41e009c59b827b25');
    expect(readFileSync(file, 'utf8')).toBe('"abc"');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(file)).mode & 0o777).toBe(0o700);
    expect(statSync(files.dir).mode & 0o777).toBe(0o700);
  });

  it('are read back from memory that threads share, and into the middle of a buffer', () => {
    const files = filesIn();
    const shared = Buffer.from(new SharedArrayBuffer(100)).fill('é');
    const payload = new Uint8Array(shared.buffer, 3, 60);
    const hash = hashOfPayload(payload);
    files.write(hash, payload);
    const bytes = Buffer.alloc(80);
    files.readInto({ hash, length: 60 }, bytes, 10);
    expect(bytes.subarray(10, 70).equals(payload)).toBe(true);
    expect(bytes.subarray(0, 10).equals(Buffer.alloc(10))).toBe(true);
  });

  it('replace whatever an earlier process left under the name', () => {
    const files = filesIn();
    const reference = put(files, 'whole');
    writeFileSync(files.locate(reference.hash), 'wh');
    writeFileSync(`${files.locate(reference.hash)}.new`, 'a longer text that was never completed');
    put(files, 'whole');
    expect(Buffer.from(files.read(reference)).toString()).toBe('whole');
    expect([...files.list()]).toHaveLength(1);
  });

  it('tell every kind of damage, and the file that has it', () => {
    const files = filesIn();
    const reference = put(files, 'the payload of an event');
    const path = files.locate(reference.hash);
    const damage = fc.oneof(
      fc.record({ at: fc.nat(reference.length - 1), bit: fc.nat(7) }),
      fc.record({ size: fc.nat(2 * reference.length) }),
    );
    const sound = readFileSync(path);
    fc.assert(
      fc.property(damage, (change) => {
        const bytes = Buffer.alloc('size' in change ? change.size : sound.length);
        sound.copy(bytes);
        if ('bit' in change) bytes[change.at]! ^= 1 << change.bit;
        if (bytes.equals(sound)) return;
        writeFileSync(path, bytes);
        const error = expectBusError(
          failureOf(() => files.read(reference)),
          'STORE_CORRUPT',
        );
        expect(error.message).toContain(path);
        expect(isMissingPayload(error)).toBe(false);
      }),
    );
  });

  it('tell a file that is missing from one that is damaged', () => {
    const files = filesIn();
    const reference = put(files, 'gone');
    rmSync(files.locate(reference.hash));
    const error = expectBusError(
      failureOf(() => files.read(reference)),
      'STORE_CORRUPT',
    );
    expect(isMissingPayload(error)).toBe(true);
    mkdirSync(files.locate(reference.hash));
    const other = expectBusError(
      failureOf(() => files.read(reference)),
      'STORE_CORRUPT',
    );
    expect(isMissingPayload(other)).toBe(false);
  });

  it('are listed with those that were never completed, and without files of others', () => {
    const files = filesIn();
    expect([...files.list()]).toEqual([]);
    const { hash } = put(files, 'one');
    const folder = dirname(files.locate(hash));
    writeFileSync(join(folder, `${hash}.new`), '');
    writeFileSync(join(folder, 'README'), '');
    writeFileSync(join(files.dir, 'notes.txt'), '');
    const found = [...files.list()].sort((a, b) => (a.path < b.path ? -1 : 1));
    expect(found).toEqual([
      { path: join(folder, hash), hash },
      { path: join(folder, `${hash}.new`), hash: undefined },
    ]);
    for (const { path } of found) files.remove(path);
    files.remove(join(folder, hash));
    expect([...files.list()]).toEqual([]);
  });

  it('leave nothing behind on a full disk', async (context) => {
    await onSmallDisk(context, temporaryDirectory(), (disk) => {
      const files = filesIn(disk);
      put(files, 'small');
      takeAllRoom(join(disk, 'ballast'));
      giveBack(join(disk, 'ballast'), 64 * 1024);
      const payload = Buffer.alloc(100 * 1024, 'x');
      const hash = hashOfPayload(payload);
      expectBusError(
        failureOf(() => files.write(hash, payload)),
        'STORE_FULL',
      );
      expect([...files.list()]).toHaveLength(1);
      expect(existsSync(files.locate(hash))).toBe(false);
    });
  });
});
