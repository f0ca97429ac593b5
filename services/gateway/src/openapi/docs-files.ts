/**
 * The interactive reference: Swagger UI from its npm package, started by a script of our own. The content policy lets the page load from this
 * server only, so neither it nor a future version of it can call home.
 */
import { readFile } from 'node:fs/promises';
import { InkwellError } from '@inkwell/contracts';
import type { Answer } from '../operation.ts';

const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Inkwell API</title>
    <link rel="stylesheet" href="/docs/swagger-ui.css">
    <link rel="icon" href="data:,">
  </head>
  <body>
    <div id="reference"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`;

const start = `SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#reference',
  deepLinking: true,
  displayRequestDuration: true,
  persistAuthorization: false,
  tryItOutEnabled: true,
  validatorUrl: null,
});
`;

const types: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  html: 'text/html; charset=utf-8',
};

const headers = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cache-control': 'public, max-age=3600',
};

/** The whole list: nothing else is reachable. */
const files: Readonly<Record<string, () => Promise<Buffer> | string>> = {
  'index.html': () => page,
  'start.js': () => start,
  'swagger-ui.css': () => readFile(new URL(import.meta.resolve('swagger-ui-dist/swagger-ui.css'))),
  'swagger-ui-bundle.js': () => readFile(new URL(import.meta.resolve('swagger-ui-dist/swagger-ui-bundle.js'))),
};

/** @throws InkwellError `not_found` */
export async function docsFile(name: string): Promise<Answer> {
  const file = Object.hasOwn(files, name) ? files[name] : undefined;
  if (!file) throw new InkwellError('not_found');
  const contentType = types[name.slice(name.lastIndexOf('.') + 1)]!;
  return { status: 200, headers, contentType, body: await file() };
}
