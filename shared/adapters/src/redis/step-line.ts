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

interface Waiting {
  names: readonly string[];
  args: readonly (string | number)[];
  resolve(answer: unknown): void;
  reject(error: unknown): void;
}

export class StepLine {
  readonly #connection: RedisConnection;
  readonly #script: Script;
  readonly #shared: string | number;
  #waiting: Waiting[] = [];
  #characters = 0;

  /** @param shared what `begin` finds in `ARGV[1]` */
  constructor(connection: RedisConnection, stepsScript: Script, shared: string | number = '') {
    this.#connection = connection;
    this.#script = stepsScript;
    this.#shared = shared;
  }

  /** @throws as `RedisConnection.call`, or an Error with what the server says of this step */
  take(names: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) this.#connection.atTurnEnd(() => this.#send());
      this.#waiting.push({ names, args, resolve, reject });
      for (const arg of args) if (typeof arg === 'string') this.#characters += arg.length;
      if (this.#waiting.length >= mostSteps || this.#characters >= mostCharacters) this.#send();
    });
  }

  #send(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#characters = 0;
    const names: string[] = [];
    const args: (string | number)[] = [this.#shared];
    for (const step of waiting) {
      for (const name of step.names) names.push(name);
      args.push(step.names.length, step.args.length);
      for (const arg of step.args) args.push(arg);
    }
    this.#connection
      .call((redis) => this.#script.run(redis, names, args))
      .then(
        (answer) => settle(waiting, answer as [unknown[], (number | string)[]]),
        (error: unknown) => {
          for (const { reject } of waiting) reject(error);
        },
      );
  }
}

function settle(waiting: readonly Waiting[], [answers, failures]: [unknown[], (number | string)[]]): void {
  for (let index = 0; index < failures.length; index += 2)
    waiting[Number(failures[index]) - 1]?.reject(new Error(`Redis refused a step: ${failures[index + 1]}`));
  for (let index = 0; index < waiting.length; index++) waiting[index]!.resolve(answers[index]);
}
