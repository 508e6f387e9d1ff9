/**
 * Finds strings that look like secrets: texts with the shape of well-known keys, and long random texts assigned to a
 * name like `password`. The shape alone is not enough: the text must be as irregular as a real key, which excludes the
 * `AKIAXXXXXXXXXXXXXXXX` of a manual.
 *
 * Every expression is bounded and free of nested repetition, so no input makes it slow.
 */

/** @typedef {{ name: string, expression: RegExp, entropyMin: number, group?: number }} SecretShape */

/** `entropyMin` is in bits per character, over the matched text. @type {readonly SecretShape[]} */
const SHAPES = [
  { name: 'aws-access-key', expression: /\b(?:AKIA|ASIA)[A-Z2-7]{16}\b/g, entropyMin: 3 },
  { name: 'github-token', expression: /\bgh[pousr]_[A-Za-z0-9]{36}\b/g, entropyMin: 3.5 },
  { name: 'github-pat', expression: /\bgithub_pat_[A-Za-z0-9_]{82}\b/g, entropyMin: 3.5 },
  { name: 'gitlab-token', expression: /\bglpat-[A-Za-z0-9_-]{20}\b/g, entropyMin: 3.5 },
  { name: 'slack-token', expression: /\bxox[abprs]-[A-Za-z0-9-]{20,250}/g, entropyMin: 3 },
  { name: 'stripe-key', expression: /\b[rs]k_live_[A-Za-z0-9]{24,99}\b/g, entropyMin: 3.5 },
  { name: 'google-api-key', expression: /\bAIza[A-Za-z0-9_-]{35}/g, entropyMin: 3.5 },
  { name: 'npm-token', expression: /\bnpm_[A-Za-z0-9]{36}\b/g, entropyMin: 3.5 },
  {
    name: 'private-key',
    expression: /-----BEGIN (?:[A-Z]{2,10} )?PRIVATE KEY-----/g,
    entropyMin: 0,
  },
  {
    name: 'json-web-token',
    expression: /\beyJ[A-Za-z0-9_-]{10,512}\.eyJ[A-Za-z0-9_-]{10,2048}\.[A-Za-z0-9_-]{10,512}/g,
    entropyMin: 4,
  },
  {
    name: 'assigned-secret',
    expression:
      /(?:secret|token|passw(?:or)?d|api_?key)["']?[ \t]{0,8}[:=][ \t]{0,8}["']([A-Za-z0-9+/_=-]{20,200})["']/gi,
    entropyMin: 4.2,
    group: 1,
  },
];

/** A quick test that most text fails: without one of these no shape matches. */
const HINT =
  /AKIA|ASIA|gh[pousr]_|github_pat_|glpat-|xox[abprs]-|k_live_|AIza|npm_|PRIVATE KEY|eyJ|secret|token|passw|api_?key/i;

/**
 * @param {string} text
 * @returns {{ index: number, shape: string, preview: string, entropy: number }[]} in no particular order
 */
export function findSecrets(text) {
  /** @type {{ index: number, shape: string, preview: string, entropy: number }[]} */
  const found = [];
  if (!HINT.test(text)) return found;
  for (const { name, expression, entropyMin, group } of SHAPES) {
    for (const match of text.matchAll(expression)) {
      const value = match[group ?? 0] ?? '';
      const entropy = entropyOf(value);
      if (entropy < entropyMin) continue;
      found.push({ index: match.index, shape: name, preview: redact(value), entropy });
    }
  }
  return found;
}

/**
 * Shannon entropy of the text's characters, in bits per character, to one decimal.
 * @param {string} text
 */
export function entropyOf(text) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values())
    bits -= (count / text.length) * Math.log2(count / text.length);
  return Math.round(bits * 10) / 10;
}

/**
 * Shortens a secret, so that it cannot be read in the log.
 * @param {string} value
 */
function redact(value) {
  return `${value.slice(0, 4)}… (${value.length} characters)`;
}
