/** A consumer for the fact log's suite: remembers what it was told and what of that it took in, and lets a test wait for it. */
import type { Fact } from '@inkwell/contracts';
import type { FactLog } from '../fact-log.ts';

export class Chronicle {
  /** Facts whose batch was taken in, in the order they were told; a repeated one stands once. */
  readonly #taken = new Map<string, Fact>();
  readonly #seen = new Set<string>();
  readonly #controller = new AbortController();
  #changed = Promise.withResolvers<void>();

  /** `handle` stands for the store a projection writes to; when it rejects the batch is not taken in. */
  static async open(
    log: FactLog,
    group: string,
    handle: (facts: readonly Fact[]) => Promise<void> = async () => {},
  ): Promise<Chronicle> {
    const chronicle = new Chronicle();
    const onFacts = (facts: readonly Fact[]) => chronicle.#take(facts, handle);
    await log.consume({ group, signal: chronicle.#controller.signal, onFacts });
    return chronicle;
  }

  has(fact: Fact): boolean {
    return this.#taken.has(fact.id);
  }

  /** Whether it was ever told, taken in or not. */
  saw(fact: Fact): boolean {
    return this.#seen.has(fact.id);
  }

  of(subject: string): Fact[] {
    return [...this.#taken.values()].filter((fact) => fact.subject === subject);
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await this.#changed.promise;
  }

  /** The consumer leaves. */
  die(): void {
    this.#controller.abort();
  }

  async #take(facts: readonly Fact[], handle: (facts: readonly Fact[]) => Promise<void>): Promise<void> {
    for (const { id } of facts) this.#seen.add(id);
    try {
      await handle(facts);
      for (const fact of facts) if (!this.#taken.has(fact.id)) this.#taken.set(fact.id, fact);
    } finally {
      // Whoever waits goes on when the log has seen how the handler ended.
      setImmediate(() => this.#ring());
    }
  }

  #ring(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}
