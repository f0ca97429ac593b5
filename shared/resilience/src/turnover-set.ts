/** A Set for what comes and goes for as long as a process lives: what was taken out is garbage at once (`TurnoverMap` says why that needs care). */
interface Box<Value> {
  value: Value | undefined;
}

export class TurnoverSet<Value> {
  readonly #boxes = new Set<Box<Value>>();

  get size(): number {
    return this.#boxes.size;
  }

  /** Also what is in it already. Answers how to take it out again; more than once does no harm. */
  add(value: Value): () => void {
    const box: Box<Value> = { value };
    this.#boxes.add(box);
    return () => {
      box.value = undefined;
      this.#boxes.delete(box);
    };
  }

  /** In the order in which they came. Some may be taken out meanwhile. */
  *values(): Generator<Value, void> {
    for (const box of this.#boxes) yield box.value as Value;
  }
}
