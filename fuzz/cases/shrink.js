/** Makes a case that fails smaller, while it goes on failing. */

const TRIES_MAX = 3000;

/**
 * @param {any} input
 * @param {import('./play.js').Player} player
 * @returns {Promise<{ input: any, error?: Error }>} `error`: that of the smaller case, if one was found
 */
export async function shrink(input, { check, isCase = () => true }) {
  const first = await errorOf(check, input);
  /** @type {{ input: any, error?: Error }} */
  let best = { input, error: first };
  if (first === undefined) return best;
  let left = TRIES_MAX;
  const began = performance.now();
  for (let hasShrunk = true; hasShrunk; ) {
    hasShrunk = false;
    for (const smaller of smallerOf(best.input)) {
      if (--left < 0 || performance.now() - began > 5000) return best;
      if (!isCase(smaller)) continue;
      const error = await errorOf(check, smaller);
      if (error === undefined || headOf(error) !== headOf(first)) continue;
      best = { input: smaller, error };
      hasShrunk = true;
      break;
    }
  }
  return best;
}

/** The words of a message, without its values: another message would be another fault. */
function headOf({ message }) {
  return message.replace(/(?:"[^"]*"|[\d{[]).*/s, '');
}

/** A case that its own generator could not have made may break the check itself, which is no finding. */
async function errorOf(check, input) {
  try {
    await check(input);
    return undefined;
  } catch (error) {
    return error?.constructor?.name === 'Finding' ? error : undefined;
  }
}

function* smallerOf(value) {
  if (typeof value === 'string') yield* smallerTexts(value);
  else if (Array.isArray(value)) {
    for (let size = value.length; size >= 1; size >>= 1) {
      for (let at = 0; at < value.length; at += size) yield value.toSpliced(at, size);
    }
    for (const [at, one] of value.entries()) {
      for (const smaller of smallerOf(one)) yield value.with(at, smaller);
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const key of Object.keys(value)) {
      const { [key]: one, ...others } = value;
      yield others;
      for (const smaller of smallerOf(one)) yield { ...value, [key]: smaller };
    }
  }
}

function* smallerTexts(text) {
  for (let size = text.length; size >= 1; size >>= 1) {
    for (let at = 0; at < text.length; at += size) yield text.slice(0, at) + text.slice(at + size);
  }
}
