/** `/v1/models` in the OpenAI shape, with the context length beside it. */
import { z } from 'zod';

export const modelSchema = z
  .object({
    id: z.string(),
    object: z.literal('model'),
    created: z.int().meta({ description: 'Unix seconds.' }),
    owned_by: z.string(),
    context_length: z.int().meta({ description: 'Tokens that prompt and output share.' }),
  })
  .meta({ id: 'Model' });

export const modelListSchema = z
  .object({ object: z.literal('list'), data: z.array(modelSchema) })
  .meta({ id: 'ModelList' });
