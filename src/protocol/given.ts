/**
 * A base class whose constructor returns the object it is given, so that a derived class adds its private fields to
 * that object. They stay out of copies, clones and keys. A `WeakMap` would do the same, but costs the garbage collector
 * 2 to 3 µs an object (bench/LOG.md).
 */
export class Given {
  constructor(object: object) {
    // biome-ignore lint/correctness/noConstructorReturn: returning the object is the purpose of this class.
    return object;
  }
}
