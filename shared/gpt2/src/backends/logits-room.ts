/** Room for the logits of a step, used again by the next. It grows by doubling, so that what was outgrown is never more than what is in use. */
export class LogitsRoom {
  readonly #width: number;
  #floats = new Float32Array(0);

  /** @param width of a row */
  constructor(width: number) {
    this.#width = width;
  }

  /** Room for `count` rows, one after the other, holding anything. Valid until the next call. */
  forRows(count: number): Float32Array {
    const wanted = count * this.#width;
    if (this.#floats.length < wanted) this.#floats = new Float32Array(Math.max(wanted, 2 * this.#floats.length));
    return this.#floats.subarray(0, wanted);
  }

  /** The rows of what `forRows` gave. */
  rowsOf(floats: Float32Array): Float32Array[] {
    return Array.from({ length: floats.length / this.#width }, (_, row) =>
      floats.subarray(row * this.#width, (row + 1) * this.#width),
    );
  }
}
