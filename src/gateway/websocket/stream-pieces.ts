import type { Duplex } from 'node:stream';

export interface PieceOwner {
  /** How long the next piece may be, bytes. */
  readonly pieceBytesMax: number;
  /** Whether it has to wait. */
  readonly mustWait: boolean;
  /** Some of a chunk waits; `read` goes on. */
  onWait(): void;
}

/**
 * Hands what comes from a socket to those who listen for its data, in pieces. A chunk of 64 KiB may have a thousand frames,
 * and `ws` reads all frames of what it gets before anybody else has a turn. One thread.
 */
export class StreamPieces {
  readonly #owner: PieceOwner;
  readonly #emit: Duplex['emit'];
  #chunks: Buffer[] = [];
  #isReading = false;

  constructor(stream: Duplex, owner: PieceOwner) {
    this.#owner = owner;
    this.#emit = stream.emit.bind(stream) as Duplex['emit'];
    // The listeners stay the stream's: `ws` takes its own away when it wants no more.
    stream.emit = ((event: string, ...values: unknown[]): boolean => {
      if (event === 'data') {
        this.#take(values[0] as Buffer);
        return true;
      }
      if (event === 'end') this.readAll();
      // Of a stream that has broken nobody can have the answers.
      if (event === 'close') values[0] === true ? this.#drop() : this.readAll();
      return this.#emit(event, ...values);
    }) as Duplex['emit'];
  }

  /** Whether some of a chunk waits. */
  get hasMore(): boolean {
    return this.#chunks.length > 0;
  }

  /** Hands on what waits, until it has to wait again. */
  read(): void {
    this.#read(() => !this.#owner.mustWait);
  }

  readAll(): void {
    this.#read(() => true);
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk);
    if (this.#isReading || this.#chunks.length > 1) return;
    this.read();
    if (this.hasMore) this.#owner.onWait();
  }

  #read(mayGoOn: () => boolean): void {
    this.#isReading = true;
    while (this.#chunks.length > 0 && mayGoOn()) {
      const [first] = this.#chunks as [Buffer];
      const { pieceBytesMax } = this.#owner;
      if (first.length <= pieceBytesMax) this.#chunks.shift();
      else this.#chunks[0] = first.subarray(pieceBytesMax);
      this.#emit('data', first.length <= pieceBytesMax ? first : first.subarray(0, pieceBytesMax));
    }
    this.#isReading = false;
  }

  #drop(): void {
    this.#chunks = [];
  }
}
