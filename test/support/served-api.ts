/** What the product says it serves, read from its own OpenAPI document. */
import type { Edition } from './edition.ts';

export interface ServedOperation {
  id: string;
  method: string;
  path: string;
  /** Names of its parameters in the query and in headers. */
  query: readonly string[];
  headers: readonly string[];
  hasBody: boolean;
  /** Up to and with the first parameter of the path: `/v1/jobs/{id}`; null when there is none. */
  family: string | null;
}

interface Described {
  operationId: string;
  parameters?: { in: 'path' | 'query' | 'header'; name: string }[];
  requestBody?: object;
}

export async function servedOperations(inkwell: Edition): Promise<ServedOperation[]> {
  const document = (await (await inkwell.request('/openapi.json')).json()) as {
    paths: Record<string, Record<string, Described>>;
  };
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId, parameters = [], requestBody }]) => {
      const namesIn = (place: string) => parameters.filter((one) => one.in === place).map(({ name }) => name);
      return {
        id: operationId,
        method: method.toUpperCase(),
        path,
        query: namesIn('query'),
        headers: namesIn('header'),
        hasBody: requestBody !== undefined,
        family: /^.*?\{\w+\}/.exec(path)?.[0] ?? null,
      };
    }),
  );
}
