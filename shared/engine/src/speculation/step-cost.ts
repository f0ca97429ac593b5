/**
 * What a step of texts costs by its number of rows, measured. Between measured numbers the cost is taken to be linear, beyond them to go on as it went; with a
 * single one, rows are free until one of them has been tried.
 */
const smoothing = 0.2;
/** Steps after which a measurement no longer counts. */
const lifetime = 1000;

interface Measured {
  ms: number;
  step: number;
}

export class StepCost {
  readonly #byRows = new Map<number, Measured>();
  #steps = 0;

  observe(rows: number, durationMs: number): void {
    this.#steps++;
    const before = this.#fresh(rows);
    const ms = before === undefined ? durationMs : before + smoothing * (durationMs - before);
    this.#byRows.set(rows, { ms, step: this.#steps });
  }

  /** Milliseconds of a step of so many rows; undefined while nothing is known of that many or fewer. */
  of(rows: number): number | undefined {
    const known = this.#fresh(rows);
    if (known !== undefined) return known;
    const points = [...this.#byRows.keys()].filter((one) => this.#fresh(one) !== undefined).sort((a, b) => a - b);
    const below = points.filter((one) => one < rows);
    const above = points.find((one) => one > rows);
    const last = below.at(-1);
    if (last === undefined) return undefined;
    const other = above ?? below.at(-2);
    if (other === undefined) return this.#fresh(last);
    const slope = Math.max(0, (this.#fresh(other)! - this.#fresh(last)!) / (other - last));
    return this.#fresh(last)! + slope * (rows - last);
  }

  #fresh(rows: number): number | undefined {
    const measured = this.#byRows.get(rows);
    return measured !== undefined && this.#steps - measured.step <= lifetime ? measured.ms : undefined;
  }
}
