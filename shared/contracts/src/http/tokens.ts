/** `/v1/tokenize` and `/v1/detokenize`: count before running. */
import { z } from 'zod';
import { modelField } from './generation.ts';
import { maxPromptCharacters } from './prompt.ts';
import { textOf } from './text.ts';

export const tokenizeRequestSchema = z
  .strictObject({ model: modelField, prompt: textOf(1, maxPromptCharacters) })
  .meta({ id: 'TokenizeRequest', example: { model: 'inkwell-small', prompt: 'Hello' } });

export const tokenizationSchema = z
  .object({ model: z.string(), tokens: z.array(z.int()), count: z.int(), context_length: z.int() })
  .meta({ id: 'Tokenization' });

export const detokenizeRequestSchema = z
  .strictObject({ model: modelField, tokens: z.array(z.int().min(0)).max(10_000) })
  .meta({ id: 'DetokenizeRequest', example: { model: 'inkwell-small', tokens: [72, 101] } });

export const detokenizationSchema = z.object({ model: z.string(), prompt: z.string() }).meta({ id: 'Detokenization' });
