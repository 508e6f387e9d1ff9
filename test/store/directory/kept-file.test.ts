import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseConsumerOptions } from '../../../src/protocol/consumer-definition.js';
import type { BusError } from '../../../src/protocol/errors.js';
import { readConsumerList, writeConsumerList } from '../../../src/store/consumer-list.js';
import { CONSUMERS_FILE, KeptFile } from '../../../src/store/directory/kept-file.js';

const CONSUMER = {
  id: '01J9ZQ5H7M2V8X3K4N6P7R8S9T',
  name: 'mailer',
  createdAt: Date.UTC(2026, 10, 28),
  definition: parseConsumerOptions({ filter: { topics: ['orders.*'] } }).definition,
  isPaused: false,
  round: 3,
  positions: [71, 10],
};

let dir: string;
let kept: KeptFile;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-kept-'));
  kept = new KeptFile(dir, CONSUMERS_FILE);
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

function readOrCode(): unknown {
  try {
    return readConsumerList(kept, 2);
  } catch (error) {
    return (error as BusError).code;
  }
}

describe('a file that is kept beside the logs', () => {
  it('is read as it was written, and is JSON', () => {
    expect(kept.read()).toBeUndefined();
    writeConsumerList(kept, [CONSUMER]);
    expect(readConsumerList(kept, 2)).toEqual([CONSUMER]);
    expect(JSON.parse(readFileSync(kept.file, 'utf8'))).toMatchObject({ format: 1 });
  });

  it('tells of a bit that is flipped in it, or says what it said', () => {
    writeConsumerList(kept, [CONSUMER]);
    const whole = readFileSync(kept.file);
    let refused = 0;
    for (let at = 0; at < 8 * whole.length; at += 7) {
      const damaged = Buffer.from(whole);
      damaged[at >> 3]! ^= 1 << (at & 7);
      writeFileSync(kept.file, damaged);
      const found = readOrCode();
      if (found === 'STORE_CORRUPT') refused++;
      else expect(found, `bit ${at}`).toEqual([CONSUMER]);
    }
    expect(refused).toBeGreaterThan(whole.length / 2);
  });

  it('without a checksum is that of an earlier version, or was corrected by hand', () => {
    writeConsumerList(kept, [CONSUMER]);
    const { checksum, ...value } = JSON.parse(readFileSync(kept.file, 'utf8'));
    expect(checksum).toMatch(/^[0-9a-f]{8}$/);
    value.consumers[0].round = 4;
    writeFileSync(kept.file, JSON.stringify(value));
    expect(readConsumerList(kept, 2)).toEqual([{ ...CONSUMER, round: 4 }]);
  });
});
