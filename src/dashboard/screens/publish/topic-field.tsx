import { knownTopics, learnTopics } from '../../state/known-topics.js';
import { client } from '../../state/session.js';
import { OFFERED_TOPICS_MAX } from './bounds.js';
import { topicsLike } from './topics-like.js';

/** A topic to publish to, completed from the topics that exist. */
export interface TopicFieldProps {
  readonly id: string;
  readonly label: string;
  readonly value: string;
  readonly onInput: (topic: string) => void;
}

export function TopicField({ id, label, value, onInput }: TopicFieldProps) {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        value={value}
        list={`${id}-known`}
        placeholder="orders.new"
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        onFocus={() => void learnTopics(client())}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      <datalist id={`${id}-known`}>
        {topicsLike(knownTopics.value, value, OFFERED_TOPICS_MAX).map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </div>
  );
}
