/**
 * Gathers what is appended in one turn of the event loop, whichever the stories, and sends it together: a worker writes the new tokens of all
 * its jobs at once, and a call for each would cost more than the writing. Each append is still all or nothing by itself.
 */
export interface Append {
  /** The job's hash and its events. */
  names: readonly [job: string, events: string];
  /** Fence, place, mark, 1 when terminal, number of entries, the entries. */
  args: readonly (string | number)[];
}

interface Waiting extends Append {
  resolve(answer: number): void;
  reject(error: unknown): void;
}

/** Most that is sent together: a script must not keep Redis from others for long. */
const mostAppends = 64;
const mostArguments = 1024;

export class AppendBatches {
  readonly #send: (batch: readonly Append[]) => Promise<readonly number[]>;
  #gathered: Waiting[] = [];
  #arguments = 0;

  /** @param send answers a number for each append, in order */
  constructor(send: (batch: readonly Append[]) => Promise<readonly number[]>) {
    this.#send = send;
  }

  add(append: Append): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#gathered.length === 0) process.nextTick(() => void this.#flush());
      this.#gathered.push({ ...append, resolve, reject });
      this.#arguments += append.args.length;
      if (this.#gathered.length >= mostAppends || this.#arguments >= mostArguments) void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    const batch = this.#gathered;
    if (batch.length === 0) return;
    this.#gathered = [];
    this.#arguments = 0;
    try {
      const answers = await this.#send(batch);
      for (const [index, { resolve }] of batch.entries()) resolve(answers[index]!);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}
