/** Rewrites the texts that mirror code: `.env.example` and `docs/errors.md`. Tests fail while they disagree. */
import { writeFileSync } from 'node:fs';
import { renderEnvironmentExample, renderErrorReference } from '@inkwell/contracts';

const root = new URL('../../', import.meta.url);
writeFileSync(new URL('.env.example', root), renderEnvironmentExample());
writeFileSync(new URL('docs/errors.md', root), renderErrorReference());
