/** A completion as it is generated, in OpenAI's chunks. Not resumable; the job behind it is, under its id in `x-inkwell-job-id`. */
import type { JobRecord, TerminalEvent } from '@inkwell/contracts';
import type { GatewayContext } from '../context.ts';
import { toInkwellError } from '../http/error-answer.ts';
import type { Call } from '../operation.ts';
import { type ChunkWriter, createChunkWriter } from './completion-chunks.ts';
import type { OpenEvent } from './job-frames.ts';
import { StoryStream } from './story-stream.ts';

export interface CompletionStreamOptions {
  includeUsage: boolean;
  headers: Record<string, string>;
}

class CompletionStream extends StoryStream {
  readonly #chunks: ChunkWriter;
  readonly #requestId: string;

  constructor(gateway: GatewayContext, call: Call, record: JobRecord, options: CompletionStreamOptions) {
    const { includeUsage, headers } = options;
    super(gateway, call, record, { afterSeq: 0, headers, stopOn: 'onCut', cancelledBy: 'this reader' });
    this.#chunks = createChunkWriter(record, includeUsage);
    this.#requestId = call.requestId;
  }

  protected frame(event: OpenEvent): string {
    return event.type === 'job.delta' ? this.#chunks.delta(event) : '';
  }

  protected lastFrame(event: TerminalEvent): string {
    return this.#chunks.end(event.outcome);
  }

  protected failed(error: unknown): boolean {
    this.gateway.log.error({ err: error, requestId: this.#requestId }, 'a completion stream broke');
    this.writer.write(`data: ${JSON.stringify({ error: toInkwellError(error).toBody() })}\n\n`);
    return true;
  }
}

/** Opens the stream, and returns. */
export function streamCompletion(
  gateway: GatewayContext,
  call: Call,
  record: JobRecord,
  options: CompletionStreamOptions,
): void {
  new CompletionStream(gateway, call, record, options);
}
