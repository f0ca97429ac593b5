/**
 * Steps of one kind that are asked for in one turn of the event loop go to Redis as one call: a step's share of a call costs a fraction of a
 * call, for the server and for both of its clients. Each is still checked, done and answered for itself: one that fails stops no other. A call
 * that fails has failed for all its steps, and some of them may have been done.
 */
import type { RedisConnection } from './connection.ts';
import { type Script, script } from './script.ts';

/** Steps and characters of one call: Redis does nothing else meanwhile. */
const mostSteps = 128;
const mostCharacters = 262_144;

export interface StepParts {
  /** Lua that runs once, when the function is loaded. */
  prelude?: string;
  /** Lua that makes `shared`, from `ARGV[1]`, for all steps of a call. */
  begin?: string;
  /**
   * Lua of one step, which returns its answer, never nil. Its names of keys are `KEYS[key + 1]` to `KEYS[lastKey]`, its arguments `ARGV[at]` to
   * `ARGV[last]`.
   */
  step: string;
  /** Lua that runs behind the last step. */
  end?: string;
}

/** Answers what the steps answered, then of those that failed their places and why. ARGV: one for all, then of each step how many keys, how many arguments, and these. */
export function stepScript({ prelude = '', begin = '', step, end = '' }: StepParts): Script {
  return script(
    `
local shared
${begin}
local key, at, answers, failures = 0, 2, {}, {}
while at < #ARGV do
  local lastKey, last = key + ARGV[at], at + 1 + ARGV[at + 1]
  local done, answer = pcall(takeStep, shared, KEYS, key, lastKey, ARGV, at + 2, last)
  answers[#answers + 1] = done and answer or '!'
  if not done then
    failures[#failures + 1] = #answers
    failures[#failures + 1] = type(answer) == 'table' and answer.err or tostring(answer)
  end
  key, at = lastKey, last + 1
end
${end}
return {answers, failures}
`,
    {
      prelude: `${prelude}
local function takeStep(shared, KEYS, key, lastKey, ARGV, at, last)
${step}
end
`,
    },
  );
}

interface Waiting<Answer> {
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

/** What goes as one call. */
class Steps<Answer> {
  readonly names: string[] = [];
  readonly args: (string | number)[];
  readonly waiting: Waiting<Answer>[] = [];
  #characters = 0;

  constructor(shared: string | number) {
    this.args = [shared];
  }

  get isFull(): boolean {
    return this.waiting.length >= mostSteps || this.#characters >= mostCharacters;
  }

  add(names: readonly string[], args: readonly (string | number)[], waiting: Waiting<Answer>): void {
    for (const name of names) this.names.push(name);
    this.args.push(names.length, args.length);
    for (const arg of args) {
      this.args.push(arg);
      if (typeof arg === 'string') this.#characters += arg.length;
    }
    this.waiting.push(waiting);
  }
}

export interface StepLineOptions<Answer> {
  connection: RedisConnection;
  /** From `stepScript`. */
  script: Script;
  /** What `begin` finds in `ARGV[1]`. */
  shared: string | number;
  /** Of what a step answers; must not throw. */
  read(answer: unknown): Answer;
}

export class StepLine<Answer> {
  readonly #options: StepLineOptions<Answer>;
  #steps: Steps<Answer> | undefined;

  constructor(options: StepLineOptions<Answer>) {
    this.#options = options;
  }

  /** @throws as `RedisConnection.call`, or an Error with what the server says of this step */
  take(names: readonly string[], args: readonly (string | number)[]): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#steps === undefined) {
        this.#steps = new Steps(this.#options.shared);
        this.#options.connection.atTurnEnd(() => this.#send());
      }
      this.#steps.add(names, args, { resolve, reject });
      if (this.#steps.isFull) this.#send();
    });
  }

  #send(): void {
    const steps = this.#steps;
    if (steps === undefined) return;
    this.#steps = undefined;
    const { connection, script: taken } = this.#options;
    connection
      .call((redis) => taken.run(redis, steps.names, steps.args))
      .then(
        (answer) => this.#settle(steps, answer as [unknown[], (number | string)[]]),
        (error: unknown) => {
          for (const { reject } of steps.waiting) reject(error);
        },
      );
  }

  #settle({ waiting }: Steps<Answer>, [answers, failures]: [unknown[], (number | string)[]]): void {
    for (let index = 0; index < failures.length; index += 2)
      waiting[Number(failures[index]) - 1]?.reject(new Error(`Redis refused a step: ${failures[index + 1]}`));
    const { read } = this.#options;
    for (let index = 0; index < waiting.length; index++) waiting[index]!.resolve(read(answers[index]));
  }
}

/** Of steps that answer '1', or '0' when stale. */
export function readDone(answer: unknown): 'ok' | 'stale' {
  return answer === '1' ? 'ok' : 'stale';
}
