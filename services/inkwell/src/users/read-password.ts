/** Reads a password where nobody sees it: unseen from the terminal, or the first line of stdin. Never from the arguments. */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';

/** Swallows what the terminal would echo. */
const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });

export async function readPassword(prompt: string): Promise<string> {
  const terminal = process.stdin.isTTY === true;
  if (terminal) process.stderr.write(prompt);
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal });
  try {
    const line = await Promise.race([once(lines, 'line'), once(lines, 'close')]);
    return String(line[0] ?? '');
  } finally {
    lines.close();
    if (terminal) process.stderr.write('\n');
  }
}
