/** A text that the browser keeps for the page. Where the browser refuses to keep anything, nothing is kept. */
export interface Remembered {
  read(): string | undefined;
  /** `undefined` forgets the text. */
  write(text: string | undefined): void;
}

/** `storage` is a function, because a browser that blocks storage throws where it is only named. */
export function remembered(name: string, storage: () => Storage): Remembered {
  return {
    read() {
      try {
        return storage().getItem(name) ?? undefined;
      } catch {
        return undefined;
      }
    },
    write(text) {
      try {
        if (text === undefined) storage().removeItem(name);
        else storage().setItem(name, text);
      } catch {
        // A browser that blocks storage, or has no room, keeps nothing.
      }
    },
  };
}
