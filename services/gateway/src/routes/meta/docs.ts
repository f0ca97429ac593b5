import { z } from 'zod';
import { docsFile } from '../../openapi/docs-files.ts';
import { defineOperation } from '../../operation.ts';

const page = { description: 'The page.', content: { 'text/html': z.string() } };

/** `GET /docs`: the interactive reference. Everything it needs comes from here. */
export const docs = defineOperation({
  id: 'docs',
  method: 'get',
  path: '/docs',
  tag: 'About',
  summary: 'Interactive reference of this API',
  access: 'open',
  answers: { 200: page },
  async handle() {
    return docsFile('index.html');
  },
});

/** The page's own files. */
export const docsAssets = defineOperation({
  id: 'docsAssets',
  method: 'get',
  path: '/docs/{file}',
  tag: 'About',
  summary: 'Files of the interactive reference',
  access: 'open',
  params: z.object({ file: z.string() }),
  answers: { 200: { description: 'The file.' } },
  errors: ['not_found'],
  async handle({ params }) {
    return docsFile(params.file);
  },
});
