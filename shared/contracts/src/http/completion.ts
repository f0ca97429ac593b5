/** `POST /v1/completions`, in the OpenAI shapes, and the older `/api/llm/generate` on top of the same answer. */
import { z } from 'zod';
import { eventStreamOf } from './event-stream.ts';
import { generationFields, modelField, samplingFields } from './generation.ts';
import { maxPromptCharacters } from './prompt.ts';
import { orNull, textOf } from './text.ts';

export const completionRequestSchema = z
  .strictObject({
    ...generationFields,
    stream: z.boolean().nullish().meta({ description: 'Answer with server-sent events that end with `[DONE]`.' }),
    stream_options: z
      .strictObject({ include_usage: z.boolean().optional() })
      .nullish()
      .meta({ description: 'Only together with `stream: true`.' }),
  })
  .refine((body) => !body.stream_options || body.stream === true, {
    path: ['stream_options'],
    error: 'only allowed together with stream: true',
  })
  .refine((body) => !body.stream || !body.best_of || body.best_of <= (body.n ?? 1), {
    path: ['best_of'],
    error: 'a stream cannot choose among candidates: leave best_of out or equal to n',
  })
  .meta({
    id: 'CompletionRequest',
    example: { model: 'inkwell-small', prompt: 'It was a dark and stormy night', max_tokens: 40 },
  });
export type CompletionRequest = z.infer<typeof completionRequestSchema>;

export const generateTemperature = 0.7;

export const generateRequestSchema = z
  .strictObject({
    ...samplingFields,
    prompt: textOf(1, maxPromptCharacters),
    model: modelField.nullish().meta({ description: 'Default: the first model of `GET /v1/models`.' }),
    temperature: samplingFields.temperature.meta({ description: `0 is greedy. Default ${generateTemperature}.` }),
    top_p: samplingFields.top_p.meta({ description: 'Default 1. temperature and top_p must not both be below 1.' }),
  })
  .refine((body) => (body.temperature ?? generateTemperature) >= 1 || (body.top_p ?? 1) >= 1, {
    path: ['top_p'],
    error: `temperature (default ${generateTemperature}) and top_p must not both be below 1: set one of them to 1`,
  })
  .meta({ id: 'GenerateRequest', example: { prompt: 'It was a dark and stormy night', max_tokens: 40 } });

export const usageSchema = z
  .object({ prompt_tokens: z.int(), completion_tokens: z.int(), total_tokens: z.int() })
  .meta({ id: 'Usage' });

const logprobsSchema = z
  .object({
    tokens: z.array(z.string()),
    token_logprobs: z.array(z.number().nullable()),
    top_logprobs: z.array(z.record(z.string(), z.number()).nullable()).nullable(),
    text_offset: z.array(z.int()),
  })
  .meta({ id: 'Logprobs' });

export const choiceSchema = z
  .object({
    text: z.string(),
    index: z.int(),
    logprobs: orNull(logprobsSchema),
    finish_reason: z.enum(['stop', 'length', 'content_filter']).nullable(),
  })
  .meta({ id: 'Choice' });

export const completionSchema = z
  .object({
    id: z.string().meta({ example: 'cmpl-3f6c0a8e5d1b4c7f9a2e6b8d0c4f1a35' }),
    object: z.literal('text_completion'),
    created: z.int().meta({ description: 'Unix seconds.' }),
    model: z.string(),
    choices: z.array(choiceSchema),
    usage: usageSchema,
  })
  .meta({ id: 'Completion' });

/** One chunk of a streamed completion. */
export const completionChunkSchema = completionSchema
  .omit({ usage: true })
  .extend({ usage: orNull(usageSchema).optional() })
  .meta({ id: 'CompletionChunk' });

export const completionStreamSchema = eventStreamOf('CompletionChunk', 'A chunk, or at the end `[DONE]`.');
