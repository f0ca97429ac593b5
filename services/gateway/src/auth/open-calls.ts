/** The calls being answered, by what their caller depends on, so that a revocation ends them. */
import type { RevokedSubject } from '@inkwell/contracts';
import { TurnoverSet } from '@inkwell/resilience';
import type { Caller } from './caller.ts';

export interface OpenCall {
  caller: Caller;
  /** Ends the answer, whatever has been sent of it. Must not throw. */
  end(): void;
}

export class OpenCalls {
  readonly #bySubject = new Map<RevokedSubject, TurnoverSet<OpenCall>>();

  /** Answers how to take it out again. */
  add(call: OpenCall): () => void {
    const removes = call.caller.subjects.map((subject) => this.#add(subject, call));
    return () => {
      for (const remove of removes) remove();
    };
  }

  of(subject: RevokedSubject): readonly OpenCall[] {
    return [...(this.#bySubject.get(subject)?.values() ?? [])];
  }

  /** Every call that depends on anything. */
  all(): readonly OpenCall[] {
    return [...new Set([...this.#bySubject.values()].flatMap((calls) => [...calls.values()]))];
  }

  #add(subject: RevokedSubject, call: OpenCall): () => void {
    const calls = this.#bySubject.get(subject) ?? new TurnoverSet();
    this.#bySubject.set(subject, calls);
    const remove = calls.add(call);
    return () => {
      remove();
      if (calls.size === 0 && this.#bySubject.get(subject) === calls) this.#bySubject.delete(subject);
    };
  }
}
