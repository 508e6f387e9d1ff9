/**
 * What its constructor returns is the object that the fields of a class derived from it are added to. So something can be kept
 * beside an object, as a private field, which no copy, clone or key tells of. A `WeakMap` would do the same, but costs the
 * garbage collector 2 to 3 µs an object (bench/LOG.md).
 */
export class Given {
  constructor(object: object) {
    // biome-ignore lint/correctness/noConstructorReturn: that is the purpose of it.
    return object;
  }
}
