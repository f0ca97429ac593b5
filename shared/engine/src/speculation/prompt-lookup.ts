/**
 * Guesses how a text goes on by looking for the latest place where its last tokens occurred before, and copying what stood there ("prompt lookup",
 * Saxena 2023). A guess that reaches the text's end goes on in itself, so that a period of any length is continued.
 */

/** A shorter agreement is chance. */
const leastMatch = 2;
/** A longer agreement says no more. */
const mostMatch = 8;

/** How many tokens before `end` agree with the last of all, at most `mostMatch`. */
function agreement(tokens: readonly number[], end: number): number {
  let length = 0;
  while (length < mostMatch && length < end && tokens[end - 1 - length] === tokens[tokens.length - 1 - length])
    length++;
  return length;
}

/** Where the text goes on after the longest agreement, the latest among equals; null if there is none. */
function continuation(tokens: readonly number[]): number | null {
  let best = leastMatch - 1;
  let found: number | null = null;
  for (let end = tokens.length - 1; end >= leastMatch && best < mostMatch; end--) {
    const length = agreement(tokens, end);
    if (length <= best) continue;
    best = length;
    found = end;
  }
  return found;
}

/** The next `count` tokens, if the text goes on as it did before; none if its end is new. */
export function lookUp(tokens: readonly number[], count: number): number[] {
  const start = count > 0 ? continuation(tokens) : null;
  if (start === null) return [];
  const guess: number[] = [];
  for (let i = start; guess.length < count; i++) guess.push(tokens[i] ?? guess[i - tokens.length]!);
  return guess;
}
