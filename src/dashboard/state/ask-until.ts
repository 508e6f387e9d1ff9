/** Asks again and again until there is an answer. It needs neither page nor client: the caller says how to ask. */

export interface AskUntilOptions {
  /** Whether anybody still wants the answer. */
  readonly isWanted: () => boolean;
  readonly onError: (error: unknown) => void;
  /** The wait after a failure. */
  readonly waitMs: number;
}

/** `undefined` where nobody wants the answer any more. */
export async function askUntilAnswered<T>(
  ask: () => Promise<T>,
  { isWanted, onError, waitMs }: AskUntilOptions,
): Promise<T | undefined> {
  while (isWanted()) {
    try {
      const answer = await ask();
      return isWanted() ? answer : undefined;
    } catch (error) {
      if (!isWanted()) return undefined;
      onError(error);
    }
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
  return undefined;
}
