import { plantInto as plantFault } from '../checker/plant.js';

/**
 * Faults to build into a copy of the server, each with the attack that has to get something out of it. An attack that no
 * fault could help would show nothing.
 */
export const plants = {
  'every pattern is covered by the grants': {
    finds: 'a wildcard that reaches beyond the grants, over HTTP',
    file: 'auth/granted-principal.js',
    from: 'return patterns.find((pattern) => !this.#subscribe.covers(pattern));',
    to: 'return undefined;',
  },
  'every topic may be published to': {
    finds: 'a topic that is not in the grants, to write to',
    file: 'auth/granted-principal.js',
    from: 'return this.#publish.covers(topic);',
    to: 'return true;',
  },
  'no source is forced': {
    finds: "the name of somebody else, as an event's source",
    file: 'gateway/permissions.js',
    from: 'return events.map((event) => ({ ...event, source: forcedSource }));',
    to: 'return events;',
  },
  'nothing is masked': {
    finds: 'a masked value, by every way of reading',
    file: 'auth/granted-principal.js',
    from: 'return this.redacts ? this.#redaction.apply(event) : event;',
    to: 'return event;',
  },
  'who sees masks may name dead letters': {
    finds: "the dead letters of one's own consumer",
    file: 'gateway/consumers/permitted.js',
    from: 'if (deadLetter === undefined || !principal.redacts',
    to: 'if (true || deadLetter === undefined || !principal.redacts',
  },
  "a lease is anybody's": {
    finds: 'the text of a lease of others',
    file: 'gateway/consumers/gateway-leases.js',
    from: 'if (name === undefined || !principal.mayConsume(name))',
    to: 'if (name === undefined)',
  },
  'every consumer may be taken from': {
    finds: "another principal's consumer",
    file: 'auth/granted-principal.js',
    from: "return this.#consume.covers(name) || this.#admin.covers('*');",
    to: 'return true;',
  },
  'a token holds for ever': {
    finds: 'a token out of its time, or of another issuer or audience',
    file: 'auth/jwt-verifier.js',
    from: 'clockTolerance: (options.clockToleranceMs ?? JWT_CLOCK_TOLERANCE_MS) / 1000,',
    to: 'clockTolerance: 1e9,',
  },
  'a claim fills its place as it is': {
    finds: 'a claim that reaches out of its place in a grant',
    file: 'auth/grant-templates.js',
    from: 'if (isPlainSegment(value))',
    to: "if (typeof value === 'string')",
  },
  'every page may connect': {
    finds: 'a page of another site',
    file: 'gateway/admission.js',
    from: 'if (origin !== undefined && !this.#isOriginAllowed(origin, host, scheme)) {',
    to: 'if (false) {',
  },
  'every host is served': {
    finds: 'a name that resolves to this machine',
    file: 'gateway/admission.js',
    from: 'if (host !== undefined && !this.#isHostAllowed(host)) {',
    to: 'if (false) {',
  },
  'control characters are printed': {
    finds: 'escapes in the answer of a responder',
    file: 'cli/failure.js',
    from: 'printableLines(message)',
    to: 'message',
  },
  'nobody is held up for others': {
    finds: 'more than a share, by small publishes',
    file: 'threads/work-shares.js',
    from: 'return this.#isWaiting || this.#isFull;',
    to: 'return false;',
  },
  'a worker that dies keeps its jobs': {
    finds: 'workers that die with jobs in their hands',
    file: 'gateway/websocket/consumer-requests.js',
    from: 'await this.#members.close(end);',
    to: '',
  },
  'one principal may have all places': {
    finds: 'requests that never end',
    file: 'gateway/budget/places.js',
    from: 'if (this.#taken[kind] + count > limit) {',
    to: 'if (false) {',
  },
  'a body may take longer than a token': {
    finds: 'bodies that are sent to the end with a token that is revoked',
    file: 'gateway/http/body.js',
    from: '    assertStillHolds(principal);',
    to: '',
  },
  'an idle socket keeps its place': {
    finds: 'hundreds of sockets that say nothing',
    file: 'gateway/idle-sockets.js',
    from: 'if (longest === undefined) {',
    to: 'if (true) {',
  },
  'every message may come in part': {
    finds: 'messages that lack their last byte',
    file: 'gateway/budget/message-parts.js',
    from: 'if (this.#going.size >= this.#turnsMax) {',
    to: 'if (false) {',
  },
  'strangers have as many sockets as they like': {
    finds: 'sockets that never say who they are',
    file: 'gateway/admission.js',
    from: 'if (unidentified >= maxUnauthenticatedPerAddress) {',
    to: 'if (false) {',
  },
};

/** Copies a build, and plants a fault into the copy. @returns the folder of the copy */
export function plantInto(built, folder, name) {
  return plantFault(built, folder, plants[name]);
}
