/**
 * Finds stop strings in text that arrives in pieces, holding back no more than could still turn into one: the longest suffix that begins a
 * stop string. One Knuth-Morris-Pratt automaton per stop string (Knuth, Morris, Pratt 1977, section 2) reads each UTF-16 unit once, so what
 * is released is a pure function of the text so far, however it was cut. Of several, the stop string that is complete first wins, of those
 * complete at the same unit the longest.
 */
interface Automaton {
  readonly pattern: string;
  /** failure[k]: length of the longest proper prefix of the pattern that ends its first k + 1 units. */
  readonly failure: Int32Array;
  /** Length of the longest prefix of the pattern that ends the text so far. */
  matched: number;
}

function automaton(pattern: string): Automaton {
  const failure = new Int32Array(pattern.length);
  for (let i = 1, k = 0; i < pattern.length; i++) {
    while (k > 0 && pattern[i] !== pattern[k]) k = failure[k - 1]!;
    if (pattern[i] === pattern[k]) k++;
    failure[i] = k;
  }
  return { pattern, failure, matched: 0 };
}

/** True when the pattern is complete. */
function advance(machine: Automaton, unit: string): boolean {
  const { pattern, failure } = machine;
  let matched = machine.matched;
  while (matched > 0 && pattern[matched] !== unit) matched = failure[matched - 1]!;
  if (pattern[matched] === unit) matched++;
  machine.matched = matched;
  return matched === pattern.length;
}

export interface Scanned {
  /** Text that is now safe to show. */
  text: string;
  /** A stop string was found; the text ends before it. */
  stopped: boolean;
}

export class StopScanner {
  readonly #machines: Automaton[];
  #held = '';

  /** Empty stop strings are ignored. */
  constructor(stops: readonly string[]) {
    this.#machines = stops.filter((stop) => stop !== '').map(automaton);
  }

  write(text: string): Scanned {
    if (this.#machines.length === 0) return { text, stopped: false };
    const whole = this.#held + text;
    for (let i = this.#held.length; i < whole.length; i++) {
      let found = 0;
      for (const machine of this.#machines) {
        if (advance(machine, whole[i]!)) found = Math.max(found, machine.pattern.length);
      }
      if (found > 0) return { text: whole.slice(0, i + 1 - found), stopped: true };
    }
    const heldLength = this.#machines.reduce((longest, machine) => Math.max(longest, machine.matched), 0);
    this.#held = whole.slice(whole.length - heldLength);
    return { text: whole.slice(0, whole.length - heldLength), stopped: false };
  }

  /** The text ends here: what was held back is text after all. */
  flush(): string {
    const held = this.#held;
    this.#held = '';
    for (const machine of this.#machines) machine.matched = 0;
    return held;
  }
}
