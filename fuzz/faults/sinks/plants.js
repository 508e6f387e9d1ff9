/** Faults that the campaign of sinks has to find (`../sinks.js --plant NAME`). */
export const plants = {
  'forward acknowledges before the other bus has stored': {
    file: 'sinks/forward/forward.js',
    from: 'this.#leases.add(delivery);',
    to: 'void delivery.ack().catch(() => {}); this.#leases.add(delivery);',
    found: 'lost',
  },
  'forward publishes under another id': {
    file: 'sinks/forward/hops.js',
    from: '...{ id, topic, type, payload, source, timestamp },',
    to: '...{ id: id + "x", topic, type, payload, source, timestamp },',
    found: 'wrong',
  },
  'a webhook takes every answer for a success': {
    file: 'sinks/webhook/verdict.js',
    from: "if (status >= 200 && status < 300) return 'done';",
    to: "return 'done';",
    found: 'lost',
  },
};
