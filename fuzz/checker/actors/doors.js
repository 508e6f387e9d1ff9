/** What actors work on: a bus or a client, with inputs whose payloads keep their text to the last digit. */
export function doorOf(bus, withPayloadText) {
  return {
    get epoch() {
      return bus.epoch;
    },
    inputOf: (input, text) => withPayloadText(input, text),
    publish: (input, options) => bus.publish(input, options),
    publishMany: (inputs, options) => bus.publishMany(inputs, options),
    cancel: (id, topic) => bus.cancel(id, { topic }),
    subscribe: (filter, handler, options) => bus.subscribe(filter, handler, options),
    query: (query) => bus.query(query),
    get: (topic, id) => bus.get(topic, id),
    latest: (topic) => all(bus.latest(topic)),
    range: async (query) => {
      const events = await all(bus.read(query));
      return { events, cursor: events.at(-1)?.cursor };
    },
    consumer: (name, options) => bus.consumer(name, options),
    schedules: bus.schedules,
  };
}

async function all(/** @type {AsyncIterable<any>} */ events) {
  const got = [];
  for await (const event of events) got.push(event);
  return got;
}
