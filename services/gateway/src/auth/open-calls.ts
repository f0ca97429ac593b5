/** The calls being answered, by what their caller depends on, so that a revocation ends them. */
import type { RevokedSubject } from '@inkwell/contracts';
import type { Caller } from './caller.ts';

export interface OpenCall {
  caller: Caller;
  /** Ends the answer, whatever has been sent of it. Must not throw. */
  end(): void;
}

export class OpenCalls {
  readonly #bySubject = new Map<RevokedSubject, Set<OpenCall>>();

  /** Answers how to take it out again. */
  add(call: OpenCall): () => void {
    for (const subject of call.caller.subjects) {
      const calls = this.#bySubject.get(subject) ?? new Set();
      calls.add(call);
      this.#bySubject.set(subject, calls);
    }
    return () => this.#remove(call);
  }

  of(subject: RevokedSubject): readonly OpenCall[] {
    return [...(this.#bySubject.get(subject) ?? [])];
  }

  /** Every call that depends on anything. */
  all(): readonly OpenCall[] {
    return [...new Set([...this.#bySubject.values()].flatMap((calls) => [...calls]))];
  }

  #remove(call: OpenCall): void {
    for (const subject of call.caller.subjects) {
      const calls = this.#bySubject.get(subject);
      calls?.delete(call);
      if (calls?.size === 0) this.#bySubject.delete(subject);
    }
  }
}
