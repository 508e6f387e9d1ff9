import { describe, expect, it } from 'vitest';
import { SYSTEM_TYPES } from '../../src/endpoint/system-events.js';
import { typeFault } from '../../src/protocol/event-fields.js';
import { EventType } from '../../src/vocabulary/event-types.js';

describe('EventType', () => {
  it('names types that are types, each by itself in capitals', () => {
    expect(Object.keys(EventType)).toHaveLength(58);
    for (const [name, type] of Object.entries(EventType)) {
      expect(name).toBe(type.toUpperCase());
      expect(typeFault(type)).toBeUndefined();
    }
  });

  it('names the types of the events that the bus tells of itself', () => {
    const named: string[] = Object.values(EventType);
    for (const type of Object.values(SYSTEM_TYPES)) expect(named).toContain(type);
  });
});
