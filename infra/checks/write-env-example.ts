/** Rewrites `.env.example` from the configuration schema. */
import { writeFileSync } from 'node:fs';
import { renderEnvironmentExample } from '@inkwell/contracts';

writeFileSync(new URL('../../.env.example', import.meta.url), renderEnvironmentExample());
