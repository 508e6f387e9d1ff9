import { attempt, hold, shown } from '../hold.js';
import { mutateText } from '../texts.js';

/**
 * The due times of schedules: one after the other, the same looking back as looking ahead, and found within a second
 * whatever the expression. A case is `{ cron, timeZone }` or `{ everyMs, anchor }`, with the time `at` that is asked.
 */

const CRONS = [
  ...[
    '* * * * *',
    '0 9 * * 1-5',
    '*/15 * * * *',
    '0 0 29 2 *',
    '30 2 * * *',
    '0 0 1 1 *',
    '5 4 * * sun',
  ],
  ...[
    '* * * * * *',
    '0 0 0 L * *',
    '0 0 * * 5#3',
    '@daily',
    '@yearly',
    '0 0 30 2 *',
    '0 0 31 11 *',
    '59 23 31 12 *',
  ],
  ...['0 12 15W * *', '1,2,3-5/2 0-23/5 * jan-mar *', '0 0 ? * MON#1', '0 0 * * 1L'],
];
const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'Nowhere/At_All',
  '',
];
const TIMES = [
  0, 1, 999, 1_767_225_600_000, 1_774_746_000_000, 1_793_498_400_000, 253_402_300_700_000,
];
const EVERY = [1000, 1001, 60_000, 86_400_000, 31_536_000_000, 315_360_000_000];

export async function open(load) {
  const { DueTimes } = await load('schedules/due-times.js');
  return { make, check: (one) => check(one, DueTimes) };
}

function make(random, pool) {
  const at = random.pick(TIMES) + random.below(100_000_000);
  if (random.chance(0.3)) {
    return { everyMs: random.pick(EVERY) + random.below(5), anchor: random.pick(TIMES), at };
  }
  const cron = random.chance(0.7) ? random.pick(CRONS) : (random.pick(pool).cron ?? '* * * * *');
  const timeZone = random.pick(ZONES.slice(0, random.chance(0.9) ? 5 : undefined));
  return {
    cron: random.chance(0.4) ? cron : mutateText(random, cron, random.pick(CRONS)),
    timeZone,
    at,
  };
}

/** @param {any} one */
function check({ at, ...rhythm }, DueTimes) {
  const { value: due, error } = attempt(['OPTION_INVALID'], () => DueTimes.of(rhythm));
  if (error !== undefined) {
    hold(rhythm.cron !== undefined, () => `an interval is refused: ${error.message}`);
    return;
  }
  const times = due.next(at, 4);
  let last = at;
  for (const time of times) {
    hold(
      Number.isSafeInteger(time) && time > last,
      () => `after ${last} comes ${time}, of ${shown(times)}`,
    );
    last = time;
  }
  if (rhythm.everyMs !== undefined) checkInterval(rhythm, at, times);
  const end = times.at(-1);
  if (end === undefined) return;
  const back = due.until(end, times.length);
  hold(back.length <= times.length, () => `${back.length} due times of ${times.length}`);
  hold(
    back.every((time, i) => time <= end && (i === 0 || time > back[i - 1])),
    () => `back: ${shown(back)}`,
  );
  hold(back.at(-1) === end, () => `the last until ${end} is ${back.at(-1)}`);
  hold(back.join() === times.join(), () => `ahead ${shown(times)}, and back ${shown(back)}`);
}

function checkInterval({ everyMs, anchor }, at, times) {
  const first = Number((BigInt(at) - BigInt(anchor)) / BigInt(everyMs)) * everyMs + anchor;
  for (const [i, time] of times.entries()) {
    hold((time - anchor) % everyMs === 0, () => `${time} is no multiple of ${everyMs}`);
    const least = first <= at ? first + everyMs : first;
    hold(
      i > 0 || (time - everyMs <= at && Math.abs(time - least) <= everyMs),
      () => `first ${time}`,
    );
  }
}
