/** A schedule's definition as a shard's log keeps it: JSON of an object with the event to be published. */

/** The topic on which the schedule publishes. */
export function topicOfSchedule(definition: string): string {
  const { event } = JSON.parse(definition) as { readonly event: { readonly topic: string } };
  return event.topic;
}
