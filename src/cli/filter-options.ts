import { type Command, Option } from 'commander';
import { type Attributes, collect, collectAttribute } from './values.js';

/** The options that narrow what `sub` and `query` print; the values of one option are alternatives. */
export interface FilterOptions {
  type?: string[];
  category?: string[];
  source?: string[];
  correlationId?: string[];
  attribute?: Attributes;
}

export function addFilterOptions(command: Command): Command {
  return command
    .addOption(repeated('--type <type>', 'only events of this type'))
    .addOption(repeated('--source <source>', 'only events from this source'))
    .addOption(repeated('--correlation-id <id>', 'only events with this correlation id'))
    .addOption(
      new Option(
        '--attribute <key=value>',
        'only events with this attribute; may be repeated',
      ).argParser(collectAttribute),
    );
}

export function repeated(flags: string, description: string): Option {
  return new Option(flags, `${description}; may be repeated`).argParser(collect);
}

/** The fields that a filter and a query have in common. */
export interface FilterFields {
  types?: string[];
  sources?: string[];
  correlationIds?: string[];
  attributes?: Attributes;
}

export function filterFields(options: FilterOptions): FilterFields {
  const fields: FilterFields = {};
  if (options.type !== undefined) fields.types = options.type;
  if (options.source !== undefined) fields.sources = options.source;
  if (options.correlationId !== undefined) fields.correlationIds = options.correlationId;
  if (options.attribute !== undefined) fields.attributes = options.attribute;
  return fields;
}
