import type { TopicDefinition } from '../protocol/define-topic.js';
import { DEFINITION_SCHEMA_LENGTH_MAX } from '../protocol/limits/bus-api.js';
import type { DefinitionInfo } from '../protocol/operations.js';

/**
 * Describes the topics that a bus was opened with, for threads and clients that have no validators: a validator is code,
 * and only its JSON Schema can be sent.
 */
export function describeDefinitions(definitions: Iterable<TopicDefinition>): DefinitionInfo[] {
  return Array.from(definitions, (definition) => {
    const { pattern } = definition;
    const jsonSchema = jsonSchemaOf(definition);
    return jsonSchema === undefined ? { pattern } : { pattern, jsonSchema };
  });
}

/** `undefined` also for a schema that is no JSON, or too long to be sent to whoever asks. */
function jsonSchemaOf(definition: TopicDefinition): DefinitionInfo['jsonSchema'] {
  try {
    const text = JSON.stringify(definition.jsonSchema?.());
    if (text === undefined || text.length > DEFINITION_SCHEMA_LENGTH_MAX) return undefined;
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
