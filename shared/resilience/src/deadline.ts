/** Every wait on the outside has an end. What is given up on here may still be done later; its answer is then heard by nobody. */

export class DeadlineError extends Error {
  constructor(what: string, timeoutMs: number) {
    super(`${what}: no answer within ${Math.round(timeoutMs)} ms`);
    this.name = 'DeadlineError';
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
