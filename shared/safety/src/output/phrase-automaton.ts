/**
 * All banned phrases as one automaton (Aho and Corasick 1975): each symbol of a text is looked at once, however many phrases there are. A
 * node's depth is the length of the longest suffix of the text that begins a phrase, hence what must not be shown yet.
 */
import type { OutputFilter } from '@inkwell/contracts';
import { phraseSymbols } from './symbols.ts';

interface PhraseMatch {
  /** Id of the rule the phrase belongs to. */
  readonly rule: string;
  /** In symbols. */
  readonly length: number;
}

export interface PhraseNode {
  readonly depth: number;
  readonly next: Map<number, PhraseNode>;
  fail: PhraseNode | null;
  /** The longest phrase that ends here. */
  match: PhraseMatch | null;
}

const nodeAt = (depth: number): PhraseNode => ({ depth, next: new Map(), fail: null, match: null });

function insert(root: PhraseNode, symbols: readonly number[], rule: string): void {
  let node = root;
  for (const symbol of symbols) {
    let next = node.next.get(symbol);
    if (next === undefined) {
      next = nodeAt(node.depth + 1);
      node.next.set(symbol, next);
    }
    node = next;
  }
  if (node !== root) node.match ??= { rule, length: node.depth };
}

/** Goes on with one symbol. */
export function step(from: PhraseNode, symbol: number): PhraseNode {
  let node = from;
  for (;;) {
    const next = node.next.get(symbol);
    if (next !== undefined) return next;
    if (node.fail === null) return node;
    node = node.fail;
  }
}

/** Breadth first, so that a node's failure link, which is shallower, is ready when it is needed. */
function link(root: PhraseNode): void {
  const queue = [root];
  for (const node of queue) {
    for (const [symbol, next] of node.next) {
      next.fail = node.fail === null ? root : step(node.fail, symbol);
      next.match ??= next.fail.match;
      queue.push(next);
    }
  }
}

function build({ phrases }: OutputFilter): PhraseNode {
  const root = nodeAt(0);
  for (const { text, whole, rule } of phrases) insert(root, phraseSymbols(text, whole), rule);
  link(root);
  return root;
}

const keptAutomata = 8;
const automata = new Map<string, PhraseNode>();

/** @returns the root. Filters of the same version share one automaton; the last few versions are kept. */
export function automatonOf(filter: OutputFilter): PhraseNode {
  const root = automata.get(filter.version) ?? build(filter);
  automata.delete(filter.version);
  automata.set(filter.version, root);
  const [oldest] = automata.keys();
  if (automata.size > keptAutomata && oldest !== undefined) automata.delete(oldest);
  return root;
}
