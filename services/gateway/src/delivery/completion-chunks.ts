/**
 * A job's events as the chunks of an OpenAI completion stream. A choice's finish reason comes on a chunk of its own kind exactly once, the
 * usage (if asked for) after all choices, and `[DONE]` only after a whole result: a stream that was cut never claims to be complete.
 */
import type { Choice, DeltaEvent, FinishReason, JobOutcome, JobRecord, LogprobsBlock } from '@inkwell/contracts';
import { completionHead, outcomeError } from './completion.ts';

interface ChunkChoice {
  index: number;
  text: string;
  logprobs: LogprobsBlock | null;
  finishReason: FinishReason | null;
}

export interface ChunkWriter {
  /** The chunk of a delta; empty when there is nothing to show yet. */
  delta(event: DeltaEvent): string;
  /** What the end of the job adds. */
  end(outcome: JobOutcome): string;
}

export function createChunkWriter(record: JobRecord, includeUsage: boolean): ChunkWriter {
  const head = JSON.stringify(completionHead(record)).slice(0, -1);
  const tail = includeUsage ? '],"usage":null}\n\n' : ']}\n\n';
  const finished = new Set<number>();

  /** Built by hand: this runs for every token. */
  function chunk({ index, text, logprobs, finishReason }: ChunkChoice): string {
    const reason = finishReason === null ? 'null' : `"${finishReason}"`;
    const probabilities = logprobs === null ? 'null' : JSON.stringify(logprobs);
    if (finishReason !== null) finished.add(index);
    return `data: ${head},"choices":[{"text":${JSON.stringify(text)},"index":${index},"logprobs":${probabilities},"finish_reason":${reason}}${tail}`;
  }

  /** The rest of a choice whose deltas did not finish it: its reason is known from the outcome alone. */
  function finishChoice(choice: Choice): string {
    if (finished.has(choice.index) || choice.finish_reason === null) return '';
    return chunk({ index: choice.index, text: '', logprobs: null, finishReason: choice.finish_reason });
  }

  return {
    delta({ index, delta, logprobs, finishReason }) {
      if (delta === '' && logprobs === null && finishReason === null) return '';
      return chunk({ index, text: delta, logprobs, finishReason });
    },
    end(outcome) {
      const error = outcomeError(outcome);
      if (error) return `data: ${JSON.stringify({ error: error.toBody() })}\n\n`;
      const { choices = [], usage = null } = outcome.result ?? {};
      const usageChunk = includeUsage ? `data: ${head},"choices":[],"usage":${JSON.stringify(usage)}}\n\n` : '';
      return `${choices.map(finishChoice).join('')}${usageChunk}data: [DONE]\n\n`;
    },
  };
}
