import { knownTopics, learnTopics } from '../state/known-topics.js';
import { client } from '../state/session.js';
import { completions } from '../text/topic-completion.js';
import { ChipsField } from './chips-field.js';

/** A field for patterns of topics, which completes them from the topics that exist. */
export interface PatternsFieldProps {
  readonly values: readonly string[];
  readonly placeholder: string;
  readonly onChange: (patterns: readonly string[]) => void;
}

const OFFERED_MAX = 12;

export function PatternsField(props: PatternsFieldProps) {
  return (
    <ChipsField
      label="Topics"
      isSpaceEnd
      complete={(text) => completions(knownTopics.value, text, OFFERED_MAX)}
      onFocus={() => void learnTopics(client())}
      {...props}
    />
  );
}
