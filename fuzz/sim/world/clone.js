import { VirtualPort } from './ports.js';

/**
 * What a message is on the other side of a port: a copy, in which shared memory is the same memory, and ports and array
 * buffers of the transfer list are moved. Throws for what the structured clone refuses.
 */
export function clone(value, transferred) {
  return copyOf(value, transferred, new Map());
}

function copyOf(value, transferred, known) {
  if (typeof value === 'function' || typeof value === 'symbol') throw refused(value);
  if (typeof value !== 'object' || value === null || value instanceof SharedArrayBuffer)
    return value;
  if (known.has(value)) return known.get(value);
  const copy = objectOf(value, transferred, known);
  known.set(value, copy);
  return copy;
}

function objectOf(value, transferred, known) {
  if (value instanceof VirtualPort) {
    if (!transferred.includes(value)) throw refused(value);
    return value;
  }
  if (value instanceof ArrayBuffer) {
    if (!transferred.includes(value)) return value.slice(0);
    return structuredClone(value, { transfer: [value] });
  }
  if (ArrayBuffer.isView(value)) return viewOf(value, transferred, known);
  if (value instanceof Date) return new Date(value);
  if (value instanceof Error) return structuredClone(value);
  if (value instanceof Map) return mapOf(value, transferred, known);
  if (value instanceof Set)
    return new Set([...value].map((one) => copyOf(one, transferred, known)));
  if (Array.isArray(value)) {
    const list = [];
    known.set(value, list);
    for (const one of value) list.push(copyOf(one, transferred, known));
    return list;
  }
  const copy = {};
  known.set(value, copy);
  for (const key of Object.keys(value)) copy[key] = copyOf(value[key], transferred, known);
  return copy;
}

function viewOf(value, transferred, known) {
  const buffer = copyOf(value.buffer, transferred, known);
  const Type = Buffer.isBuffer(value) ? Uint8Array : value.constructor;
  const length = value instanceof DataView ? value.byteLength : value.length;
  return new Type(buffer, value.byteOffset, length);
}

function mapOf(value, transferred, known) {
  const copy = new Map();
  known.set(value, copy);
  for (const [key, one] of value) {
    copy.set(copyOf(key, transferred, known), copyOf(one, transferred, known));
  }
  return copy;
}

function refused(value) {
  return new DOMException(`${String(value)} could not be cloned.`, 'DataCloneError');
}
