/**
 * A fault for each kind of case, to build into a copy of the product: the kind has to find it, and says it with a message
 * of this form. `from` stands once in the built file, but for white space.
 */
export const plants = {
  topics: {
    finds: /topicFault of/,
    file: 'protocol/topic.js',
    from: 'kinds.fill(REFUSED, 0, 0x21);',
    to: 'kinds.fill(REFUSED, 0, 0x20);',
  },
  patterns: {
    finds: /the trie finds/,
    file: 'shards/matching/pattern-trie.js',
    from: 'if (topic.charCodeAt(0) !== DOLLAR_CODE)',
    to: 'if (topic.length > 0)',
  },
  filters: {
    finds: / takes /,
    file: 'protocol/event.js',
    from: 'type.search(/[_.]/)',
    to: 'type.search(/_/)',
  },
  cursors: {
    finds: /is another text of/,
    file: 'protocol/cursor.js',
    from: 'if (byte === 0 && scale > VARINT_RADIX)',
    to: 'if (byte === 0 && scale > 2 ** 50)',
  },
  payloads: {
    finds: /keeps|is counted|are counted/,
    file: 'protocol/json-scanner.js',
    from: 'if (backslashes % 2 === 0)',
    to: 'if (backslashes === 0)',
  },
  records: {
    finds: /is read as/,
    file: 'record/event-record.js',
    from: 'this.#typeLength = byteLength(this.type);',
    to: 'this.#typeLength = this.type.length;',
  },
  rings: {
    finds: /a claim of|after |were read/,
    file: 'ring/ring.js',
    from: 'this.#releasedTotal = this.totalPosition;',
    to: 'this.#releasedTotal += this.#position > this.#releasedPosition ? this.#position - this.#releasedPosition : 0;',
  },
  frames: {
    finds: /a field of no frame/,
    file: 'protocol/wire.js',
    from: 'if (FRAME_FIELDS.has(field)) continue;',
    to: 'if (FRAME_FIELDS.has(field) || field.length < 3) continue;',
  },
  inputs: {
    finds: /TypeError/,
    file: 'protocol/quote.js',
    from: "return 'a BigInt';",
    to: 'return JSON.stringify(value);',
  },
  times: {
    finds: / is -?\d+, and should be/,
    file: 'protocol/timestamp.js',
    from: 'year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)',
    to: 'year % 4 === 0',
  },
  schedules: {
    finds: /first|comes|back|the last/,
    file: 'schedules/due-times.js',
    from: 'Math.floor((ms - this.#anchor) / this.#every)',
    to: 'Math.trunc((ms - this.#anchor) / this.#every)',
  },
  'cloud-events': {
    finds: /, not /,
    file: 'protocol/cloud-event.js',
    from: 'if (extension !== key)',
    to: 'if (extension !== key.toLowerCase())',
  },
  configs: {
    finds: /a fault has a key in it/,
    file: 'auth/auth-options.js',
    from: "const safe = text.replace(TOKENS, '[a token]');",
    to: 'const safe = text;',
  },
  masks: {
    finds: / makes /,
    file: 'auth/redaction-path.js',
    from: "isDeep: lead === '..'",
    to: "isDeep: lead === '..' && index === undefined",
  },
  tokens: {
    finds: /^exp /,
    file: 'auth/jwt-verifier.js',
    from: 'if (this.#now() >= expiresAt)',
    to: 'if (this.#now() > expiresAt)',
  },
  headers: {
    finds: /is allowed/,
    file: 'gateway/origins.js',
    from: 'LABELS.test(labels)',
    to: 'labels.length > 0',
  },
  websocket: {
    finds: /closed with/,
    file: 'gateway/websocket/connection.js',
    from: 'if (isBinary) {',
    to: 'if (isBinary && bytes.length > 0) {',
  },
  http: {
    finds: /^500 to|INTERNAL/,
    file: 'gateway/http/body.js',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is in the built code.
    from: 'throw malformed(`${what} is not JSON: ${jsonFaultText(text)}`, error);',
    to: 'throw error;',
  },
  images: {
    finds: /refused with BusError INTERNAL/,
    file: 'store/sqlite/driver/store-errors.js',
    from: "return new BusError('STORE_FAILED', message,",
    to: "return new BusError('INTERNAL', message,",
  },
};
