/**
 * The text of one choice as tokens arrive: never half a character, never a part of a stop string or of a banned phrase, and a reason when it ends. What has been
 * shown after k tokens is a pure function of those tokens and the options, so replaying the tokens of an earlier run restores the state to
 * the unit. Sampling, logprobs and events are left to others.
 */
import type { FinishReason, OutputFilter } from '@inkwell/contracts';
import { type Tokenizer, Utf8StreamDecoder } from '@inkwell/gpt2';
import { PhraseFilter } from '@inkwell/safety/phrase-filter';
import { StopScanner } from './stop-scanner.ts';

export interface TextOptions {
  stop: readonly string[];
  /** Ends the text without being part of it; null = no token does. */
  endToken: number | null;
  /** After this many tokens the text ends with `length`. At least 1. */
  maxTokens: number;
  /** The text begins with these tokens, which count neither as tokens nor as a place to stop. */
  echo: readonly number[];
  /** What must not be shown, neither of the echoed nor of the drawn text. */
  filter?: OutputFilter | undefined;
}

export interface Shown {
  delta: string;
  finishReason: FinishReason | null;
  /** Where the token's text begins in the whole text, in UTF-16 units; behind its end for a token cut off by a stop string. */
  offset: number;
  /** How many units of the whole text must have been shown for the token's own text to be shown entirely. */
  end: number;
}

/** Whether a byte can only be inside a UTF-8 character. */
function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x80 && byte <= 0xbf;
}

export class TextStream {
  readonly #tokenizer: Tokenizer;
  readonly #options: TextOptions;
  readonly #decoder = new Utf8StreamDecoder();
  readonly #stops: StopScanner;
  readonly #phrases: PhraseFilter | null;
  /** Offsets of the echoed tokens. */
  readonly echoOffsets: number[] = [];
  /** Units of the echoed text. */
  readonly echoLength: number;
  /** Echoed text not yet handed out with a delta. */
  #unshown = '';
  /** Units decoded so far, shown or held. */
  #decodedLength = 0;
  #tokenCount = 0;
  #finishReason: FinishReason | null = null;
  #filteredBy: string | null = null;

  constructor(tokenizer: Tokenizer, options: TextOptions) {
    this.#tokenizer = tokenizer;
    this.#options = options;
    this.#stops = new StopScanner(options.stop);
    this.#phrases = options.filter === undefined ? null : new PhraseFilter(options.filter);
    for (const token of options.echo) {
      const { text, offset } = this.#decode(token);
      this.echoOffsets.push(offset);
      this.#unshown += text;
    }
    this.echoLength = this.#unshown.length;
  }

  get tokenCount(): number {
    return this.#tokenCount;
  }

  get finishReason(): FinishReason | null {
    return this.#finishReason;
  }

  /** The rule whose phrase ended the text, or null. */
  get filteredBy(): string | null {
    return this.#filteredBy;
  }

  /** Takes the next token. Nothing may follow one that was answered with a finish reason. */
  push(token: number): Shown {
    let text = this.#unshown;
    let offset = this.#decodedLength;
    this.#unshown = '';
    this.#tokenCount++;
    if (token === this.#options.endToken) text += this.#end('stop');
    else {
      const decoded = this.#decode(token);
      offset = decoded.offset;
      const scanned = this.#stops.write(decoded.text);
      text += scanned.text;
      if (scanned.stopped) this.#finishReason = 'stop';
      else if (this.#tokenCount >= this.#options.maxTokens) text += this.#end('length');
    }
    const delta = this.#filtered(text);
    const end = this.#decodedLength + (this.#decoder.midCharacter ? 1 : 0);
    return { delta, finishReason: this.#finishReason, offset, end };
  }

  /** What of the text may be shown now. */
  #filtered(text: string): string {
    if (this.#phrases === null) return text;
    let { text: shown, rule } = this.#phrases.write(text);
    if (rule === null && this.#finishReason !== null) {
      const rest = this.#phrases.flush();
      shown += rest.text;
      rule = rest.rule;
    }
    if (rule === null) return shown;
    this.#finishReason = 'content_filter';
    this.#filteredBy = rule;
    return shown + this.#options.filter!.replacement;
  }

  /** The text a token completes, and where its own text begins. */
  #decode(token: number): { text: string; offset: number } {
    const bytes = this.#tokenizer.tokenBytes(token);
    let offset = this.#decodedLength;
    let text: string;
    if (this.#decoder.midCharacter) {
      const first = this.#decoder.write(bytes.subarray(0, 1));
      // A character that the token does not continue becomes U+FFFD, which stands before the token's own text.
      if (first.startsWith('\uFFFD') && (!isContinuation(bytes[0]) || first.length > 1)) offset++;
      text = first + this.#decoder.write(bytes.subarray(1));
    } else {
      text = this.#decoder.write(bytes);
    }
    this.#decodedLength += text.length;
    return { text, offset };
  }

  /** Ends the text for `reason`, unless its very last units complete a stop string. */
  #end(reason: FinishReason): string {
    const scanned = this.#stops.write(this.#decoder.flush());
    this.#finishReason = scanned.stopped ? 'stop' : reason;
    return scanned.text + (scanned.stopped ? '' : this.#stops.flush());
  }
}
