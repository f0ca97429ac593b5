/**
 * How long the model takes per row, measured, so that a step beside running texts takes no more of a long prompt than their readers will not
 * notice. Chunks change no token, so nothing here needs to be repeatable.
 */
const smoothing = 0.2;
/** Steps of fewer rows are dominated by what every step costs. */
const leastRows = 8;

export class StepPace {
  #msPerRow: number | null = null;

  observe(rows: number, durationMs: number): void {
    if (rows < leastRows) return;
    const sample = durationMs / rows;
    this.#msPerRow = this.#msPerRow === null ? sample : this.#msPerRow + smoothing * (sample - this.#msPerRow);
  }

  /** Rows that take about so long, at least as many as one measurement needs; unbounded while nothing is known. */
  rowsWithin(targetMs: number): number {
    if (this.#msPerRow === null || this.#msPerRow <= 0) return Number.POSITIVE_INFINITY;
    return Math.max(leastRows, Math.floor(targetMs / this.#msPerRow));
  }
}
