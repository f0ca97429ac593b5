import { generateOperation } from './generate-operation.ts';

/** `POST /api/llm/generate`: the same for people who signed in. */
export const generate = generateOperation({
  id: 'generate',
  path: '/api/llm/generate',
  summary: 'Generate text with an access token',
});
