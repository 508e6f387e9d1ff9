/** An answer that waits until what was decided with it is stored. */
export class WhenStored<T> {
  readonly answer: T;

  constructor(answer: T) {
    this.answer = answer;
  }
}

/** An answer that waits until the desk has looked for events for a member: see `Looks`. */
export class WhenLooked<T> {
  readonly answer: T;
  readonly member: number;

  constructor(answer: T, member: number) {
    this.answer = answer;
    this.member = member;
  }
}
