/** What one step added to a text. */
import type { FinishReason, LogprobsBlock } from '@inkwell/contracts';

export interface CandidateDelta {
  delta: string;
  tokens: number[];
  logprobs: LogprobsBlock | null;
  finishReason: FinishReason | null;
  /** The rule behind `content_filter`. */
  filteredBy?: string;
}
