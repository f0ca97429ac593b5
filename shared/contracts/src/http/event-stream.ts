/**
 * How a stream of server-sent events is described: by one of its events, with what its `data` holds (the form OpenAPI 3.2 gives such streams).
 */
import { z } from 'zod';

/** @param id component name of the schema of `data` */
export function eventStreamOf(id: string, description: string) {
  return z.object({
    id: z.string().optional(),
    event: z.string().optional(),
    data: z.string().meta({
      description,
      contentMediaType: 'application/json',
      contentSchema: { $ref: `#/components/schemas/${id}` },
    }),
  });
}
