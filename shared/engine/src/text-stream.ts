/**
 * The text of one choice as tokens arrive: never half a character, never a part of a stop string, and a reason when it ends. What has been
 * shown after k tokens is a pure function of those tokens and the options, so replaying the tokens of an earlier run restores the state to
 * the unit. Sampling, logprobs and events are left to others.
 */
import type { FinishReason } from '@inkwell/contracts';
import { type Tokenizer, Utf8StreamDecoder } from '@inkwell/gpt2';
import { StopScanner } from './stop-scanner.ts';

export interface TextOptions {
  stop: readonly string[];
  /** Ends the text without being part of it; null = no token does. */
  endToken: number | null;
  /** After this many tokens the text ends with `length`. At least 1. */
  maxTokens: number;
  /** The text begins with these tokens, which count neither as tokens nor as a place to stop. */
  echo: readonly number[];
}

export interface Shown {
  delta: string;
  finishReason: FinishReason | null;
  /** Where the token's text begins in the whole text, in UTF-16 units; behind its end for a token cut off by a stop string. */
  offset: number;
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
  /** Offsets of the echoed tokens. */
  readonly echoOffsets: number[] = [];
  /** Echoed text not yet handed out with a delta. */
  #unshown = '';
  /** Units decoded so far, shown or held. */
  #decodedLength = 0;
  #tokenCount = 0;
  #finishReason: FinishReason | null = null;

  constructor(tokenizer: Tokenizer, options: TextOptions) {
    this.#tokenizer = tokenizer;
    this.#options = options;
    this.#stops = new StopScanner(options.stop);
    for (const token of options.echo) {
      const { text, offset } = this.#decode(token);
      this.echoOffsets.push(offset);
      this.#unshown += text;
    }
  }

  get tokenCount(): number {
    return this.#tokenCount;
  }

  get finishReason(): FinishReason | null {
    return this.#finishReason;
  }

  /** Takes the next token. Nothing may follow one that was answered with a finish reason. */
  push(token: number): Shown {
    let delta = this.#unshown;
    this.#unshown = '';
    this.#tokenCount++;
    if (token === this.#options.endToken) {
      const offset = this.#decodedLength;
      return { delta: delta + this.#end('stop'), finishReason: this.#finishReason, offset };
    }
    const { text, offset } = this.#decode(token);
    const scanned = this.#stops.write(text);
    delta += scanned.text;
    if (scanned.stopped) this.#finishReason = 'stop';
    else if (this.#tokenCount >= this.#options.maxTokens) delta += this.#end('length');
    return { delta, finishReason: this.#finishReason, offset };
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
