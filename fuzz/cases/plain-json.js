/** A plain, slow reader of JSON, to compare the product's scanners with. It keeps where in the text each value stands. */

const TOKEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: JSON refuses them in strings.
  /[{}[\],:]|"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const SPACE = /[ \t\n\r]*/y;

/**
 * @typedef {object} Node
 * @property {number} start
 * @property {number} end
 * @property {[string, Node][]} [members] of an object, repeated keys included
 * @property {Node[]} [elements] of an array
 */

/** @returns {Node | undefined} `undefined`: the text is not JSON */
export function readJson(text) {
  const reader = new Reader(text);
  const node = reader.value();
  return node !== undefined && reader.next() === undefined && reader.isAtEnd ? node : undefined;
}

/** How deep arrays and objects are nested. @param {Node} node */
export function depthOf(node) {
  const children = childrenOf(node);
  if (children === undefined) return 0;
  return 1 + children.reduce((deepest, child) => Math.max(deepest, depthOf(child)), 0);
}

/** How many members all objects have. @param {Node} node */
export function membersIn(node) {
  const own = node.members?.length ?? 0;
  return (childrenOf(node) ?? []).reduce((sum, child) => sum + membersIn(child), own);
}

/** Whether an object has two members of one key. @param {Node} node */
export function repeatsKeys(node) {
  const keys = node.members?.map(([key]) => key) ?? [];
  return new Set(keys).size < keys.length || (childrenOf(node) ?? []).some(repeatsKeys);
}

/** The text of a value without line breaks between its tokens, and without the spaces behind them. */
export function oneLine(text, { start, end }) {
  let line = '';
  for (let at = start; at < end; ) {
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text)?.[0] ?? '';
    SPACE.lastIndex = at + token.length;
    const space = SPACE.exec(text)?.[0] ?? '';
    line += token;
    at += token.length + space.length;
    if (at < end) line += space.replace(/[\n\r\t].*$/s, '');
  }
  return line;
}

/** @param {Node} node */
function childrenOf(node) {
  return node.elements ?? node.members?.map(([, child]) => child);
}

class Reader {
  #text;
  #at = 0;

  constructor(text) {
    this.#text = text;
  }

  get isAtEnd() {
    return this.#at === this.#text.length;
  }

  /** The next token, which is not taken. */
  next() {
    SPACE.lastIndex = this.#at;
    this.#at += SPACE.exec(this.#text)?.[0].length ?? 0;
    TOKEN.lastIndex = this.#at;
    return TOKEN.exec(this.#text)?.[0];
  }

  /** @returns {Node | undefined} */
  value() {
    const token = this.next();
    const start = this.#at;
    if (token === undefined || '}],:'.includes(token)) return undefined;
    this.#at += token.length;
    if (token === '[') return this.#list(start, ']', () => this.value(), 'elements');
    if (token === '{') return this.#list(start, '}', () => this.#member(), 'members');
    return { start, end: this.#at };
  }

  #member() {
    const key = this.next();
    if (key === undefined || key[0] !== '"') return undefined;
    this.#at += key.length;
    if (this.next() !== ':') return undefined;
    this.#at++;
    const value = this.value();
    return value === undefined ? undefined : [JSON.parse(key), value];
  }

  #list(start, close, readOne, field) {
    const found = [];
    if (this.next() === close) {
      this.#at++;
      return { start, end: this.#at, [field]: found };
    }
    for (;;) {
      const one = readOne();
      if (one === undefined) return undefined;
      found.push(one);
      const token = this.next();
      if (token !== ',' && token !== close) return undefined;
      this.#at++;
      if (token === close) return { start, end: this.#at, [field]: found };
    }
  }
}
