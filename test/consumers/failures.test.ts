import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FailureMemory, Failures } from '../../src/consumers/failures.js';

const LENGTH_MAX = 1000;

test('one memory keeps the newest failures of all consumers that it has room for', () => {
  const step = fc.record({
    consumer: fc.nat(2),
    sequence: fc.nat(9),
    length: fc.nat(300),
    kind: fc.constantFrom('note', 'note', 'note', 'forget', 'clear'),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const memory = new FailureMemory(LENGTH_MAX);
      const consumers = [0, 1, 2].map(() => new Failures(memory));
      let kept: { consumer: number; sequence: number; reason: string }[] = [];
      for (const { consumer, sequence, length, kind } of steps) {
        const failures = consumers[consumer]!;
        const isIt = (one: (typeof kept)[number]): boolean =>
          one.consumer === consumer && (kind === 'clear' || one.sequence === sequence);
        kept = kept.filter((one) => !isIt(one));
        if (kind === 'clear') failures.clear();
        else if (kind === 'forget') failures.forget(sequence);
        else {
          const reason = 'x'.repeat(length);
          failures.note(sequence, { cause: 'nak', reason, at: 1 });
          kept.push({ consumer, sequence, reason });
        }
        const lengthOf = () => kept.reduce((sum, { reason }) => sum + 100 + reason.length, 0);
        while (lengthOf() > LENGTH_MAX) kept.shift();
        for (const [at, failures] of consumers.entries()) {
          for (let one = 0; one <= 9; one++) {
            const expected = kept.find((it) => it.consumer === at && it.sequence === one);
            expect(failures.of(one)?.reason).toBe(expected?.reason);
          }
        }
      }
    }),
  );
});
