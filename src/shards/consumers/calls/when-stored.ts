/** An answer that waits until what was decided with it is stored. */
export class WhenStored<T> {
  readonly answer: T;

  constructor(answer: T) {
    this.answer = answer;
  }
}
