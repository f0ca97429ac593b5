/**
 * The fields every generating request shares: what to run, how to draw, and how the job it becomes is treated. Ranges are enforced here;
 * what depends on a model (context length, vocabulary) is the gateway's to check. `null` means "not given", as in the OpenAI API.
 */
import { z } from 'zod';
import { priorities } from '../job.ts';
import { promptSchema } from './prompt.ts';
import { textOf, unixSeconds } from './text.ts';

const maxTokensLimit = 4_096;
export const defaultMaxTokens = 100;
/** Prompts × candidates of one request. */
export const maxSequences = 32;

const stopText = textOf(1, 64);

export const modelField = z
  .string()
  .min(1)
  .max(200)
  .meta({ description: 'Id of the model, as `GET /v1/models` lists it.' });

export const samplingFields = {
  max_tokens: z
    .int()
    .min(1)
    .max(maxTokensLimit)
    .nullish()
    .meta({
      description: `Most tokens to generate per choice. Not given: ${defaultMaxTokens}, or what the context has left if that is less.`,
    }),
  temperature: z.number().min(0).max(2).nullish().meta({ description: '0 is greedy. Default 1.' }),
  top_p: z.number().min(0).max(1).nullish().meta({ description: 'Nucleus sampling. Default 1: off.' }),
  n: z.int().min(1).max(5).nullish().meta({ description: 'Choices per prompt. Default 1.' }),
  stop: z
    .union([stopText, z.array(stopText).max(4)])
    .nullish()
    .meta({ description: 'Up to four texts; the output ends before the first that appears.' }),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  seed: z.int().nullish().meta({ description: 'The same request with the same seed gives the same text.' }),
};

const tokenIdText = /^(0|[1-9][0-9]{0,9})$/;
const maxBiases = 1_024;

const logitBias = z
  .record(z.string().regex(tokenIdText, 'must be a token id'), z.number().min(-100).max(100))
  .refine((value) => Object.keys(value).length <= maxBiases, { error: `must hold at most ${maxBiases} tokens` })
  .meta({ propertyNames: { pattern: tokenIdText.source }, maxProperties: maxBiases });

const maxPairs = 16;
const maxKeyCharacters = 64;

export const metadataSchema = z
  .record(textOf(1, maxKeyCharacters), textOf(0, 512))
  .refine((value) => Object.keys(value).length <= maxPairs, { error: `must hold at most ${maxPairs} pairs` })
  .meta({
    description: `Up to ${maxPairs} pairs of your own; keys up to ${maxKeyCharacters} characters, values up to 512.`,
    propertyNames: { minLength: 1, maxLength: maxKeyCharacters },
    maxProperties: maxPairs,
  });

/** Treatment of the job a request becomes. */
const handlingFields = {
  priority: z.enum(priorities).nullish().meta({ description: 'A more urgent class always runs before a later one.' }),
  metadata: metadataSchema.nullish(),
  deadline: unixSeconds
    .nullish()
    .meta({ description: 'Unix seconds. The job never starts after it and ends `expired` if still running then.' }),
  on_disconnect: z
    .enum(['continue', 'cancel'])
    .nullish()
    .meta({ description: 'What becomes of the job when the client that follows it goes away.' }),
};

/** Everything `POST /v1/completions` and `POST /v1/jobs` have in common. */
export const generationFields = {
  model: modelField,
  prompt: promptSchema,
  ...samplingFields,
  best_of: z.int().min(1).max(20).nullish().meta({ description: 'Candidates per prompt; the n best are answered.' }),
  logprobs: z.int().min(0).max(5).nullish().meta({ description: 'Alternatives to report per token.' }),
  echo: z.boolean().nullish().meta({ description: 'Begin each text with its prompt.' }),
  logit_bias: logitBias.nullish().meta({ description: 'Token id → added to its logit.' }),
  suffix: z.null().optional().meta({ description: 'Not supported by these models; only null is taken.' }),
  user: textOf(0, 256).nullish().meta({ description: 'Accepted for compatibility; not used.' }),
  top_k: z.int().min(0).max(1_000_000).nullish().meta({ description: 'Keep the k most likely tokens. 0: off.' }),
  min_p: z.number().min(0).max(1).nullish().meta({ description: 'Drop tokens below this share of the likeliest.' }),
  repetition_penalty: z.number().min(0.1).max(10).nullish().meta({ description: 'Default 1: off.' }),
  ignore_eos: z.boolean().nullish().meta({ description: 'Go on after the end-of-text token (for measuring).' }),
  ...handlingFields,
};

/** What all generating requests can be reduced to; facades with fewer fields leave the rest out. */
export const generationRequestSchema = z.strictObject({
  ...generationFields,
  webhook: z
    .string()
    .min(1)
    .max(2_048)
    .nullish()
    .meta({ description: 'An https URL that is called when the job has ended, signed as Standard Webhooks are.' }),
});
export type GenerationRequest = z.infer<typeof generationRequestSchema>;
