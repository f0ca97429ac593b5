/** Opens an adapter for a suite and closes it at its end. */
import { afterAll, beforeAll } from 'vitest';

interface Closable {
  close(): Promise<void>;
}

/** Answers a function that gives the tests the open adapter. */
export function withAdapter<Opened extends Closable>(makeAdapter: () => Promise<Opened>): () => Opened {
  let adapter: Opened | undefined;
  beforeAll(async () => {
    adapter = await makeAdapter();
  });
  afterAll(() => adapter?.close());
  return () => adapter!;
}
