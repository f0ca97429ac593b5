/** Breaks the silence of streams: one timer for all of them, which asks a part at a time, so that thousands don't write at once. */

export interface Beating {
  beat(): void;
}

const parts = 16;

export class Heartbeat {
  readonly #parts = Array.from({ length: parts }, () => new Set<Beating>());
  readonly #periodMs: number;
  #timer: NodeJS.Timeout | undefined;
  #turn = 0;
  #joined = 0;

  /** @param periodMs each stream is asked so often */
  constructor(periodMs: number) {
    this.#periodMs = periodMs;
  }

  /** Answers the part it is in, to leave with. */
  join(stream: Beating): number {
    const part = this.#joined++ % parts;
    this.#parts[part]?.add(stream);
    this.#timer ??= setInterval(() => this.#beat(), this.#periodMs / parts).unref();
    return part;
  }

  leave(stream: Beating, part: number): void {
    this.#parts[part]?.delete(stream);
    if (this.#timer === undefined || this.#parts.some((one) => one.size > 0)) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #beat(): void {
    this.#turn = (this.#turn + 1) % parts;
    for (const stream of this.#parts[this.#turn] ?? []) stream.beat();
  }
}
