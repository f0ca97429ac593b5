import { generateOperation } from './generate-operation.ts';

/** `POST /api/llm/generate/api-key` */
export const generateWithApiKey = generateOperation({
  id: 'generateWithApiKey',
  path: '/api/llm/generate/api-key',
  summary: 'Generate text with an API key',
});
