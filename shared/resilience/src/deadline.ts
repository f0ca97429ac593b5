/** Every wait on the outside has an end. What is given up on here may still be done later; its answer is then heard by nobody. */

export class DeadlineError extends Error {
  constructor(what: string, timeoutMs: number) {
    super(`${what}: no answer within ${Math.round(timeoutMs)} ms`);
    this.name = 'DeadlineError';
  }
}

interface Wait {
  readonly dueAt: number;
  /** Undefined when nothing is waited for any more: a Set may hold on to what it held (`TurnoverMap` says why). */
  giveUp: (() => void) | undefined;
}

/**
 * A deadline of one length for many waits at the same time. Who began first is due first, so one timer, set anew when it fires, is enough for
 * all of them; a timer per wait costs more than the wait.
 */
export class Deadlines {
  readonly timeoutMs: number;
  /** Oldest first. */
  readonly #waits = new Set<Wait>();
  #timer: NodeJS.Timeout | undefined;

  constructor(timeoutMs: number) {
    this.timeoutMs = timeoutMs;
  }

  /** Calls back after the time, unless the answer is called first. */
  watch(giveUp: () => void): () => void {
    const wait = this.#enter(giveUp);
    return () => this.#leave(wait);
  }

  /** Answers what the work answers. @throws DeadlineError after the time, or what `work` throws */
  bound<T>(work: () => Promise<T>, what: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const wait = this.#enter(() => reject(new DeadlineError(what, this.timeoutMs)));
      const fail = (error: unknown) => {
        this.#leave(wait);
        reject(error);
      };
      try {
        work().then((value) => {
          this.#leave(wait);
          resolve(value);
        }, fail);
      } catch (error) {
        fail(error);
      }
    });
  }

  #enter(giveUp: () => void): Wait {
    const wait: Wait = { dueAt: performance.now() + this.timeoutMs, giveUp };
    this.#waits.add(wait);
    this.#timer ??= this.#set(this.timeoutMs);
    return wait;
  }

  #leave(wait: Wait): void {
    wait.giveUp = undefined;
    this.#waits.delete(wait);
  }

  /** What is waited for keeps the process alive, the waiting does not. */
  #set(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#fire(), Math.ceil(ms)).unref();
  }

  #fire(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (const wait of this.#waits) {
      if (wait.dueAt > now) {
        this.#timer = this.#set(wait.dueAt - now);
        return;
      }
      this.#waits.delete(wait);
      const { giveUp } = wait;
      wait.giveUp = undefined;
      giveUp?.();
    }
  }
}

/** Answers what the work answers. @throws DeadlineError after `timeoutMs` */
export async function withDeadline<T>(work: Promise<T>, what: string, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DeadlineError(what, timeoutMs)), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
