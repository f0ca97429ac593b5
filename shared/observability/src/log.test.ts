/** What a log line never holds, whatever a call site hands it. */
import { expect, it } from 'vitest';
import { createLog } from './log.ts';

function written(write: (log: ReturnType<typeof createLog>) => void): Record<string, unknown> {
  const lines: string[] = [];
  write(createLog({ level: 'trace', name: 'test', to: { write: (line) => void lines.push(line) } }));
  expect(lines).toHaveLength(1);
  for (const breaking of ['\n', '\r', '\u001b']) expect(lines[0]!.trimEnd()).not.toContain(breaking);
  return JSON.parse(lines[0]!) as Record<string, unknown>;
}

it('holds of an error what broke, through its causes, and nothing a driver hung on it', () => {
  const cause = Object.assign(new Error('connection lost'), { code: 'ECONNRESET', command: { args: ['secret'] } });
  const error = new TypeError('could not write', { cause });
  Object.assign(error, { code: 11000, keyValue: { hash: 'secret' }, op: { password: 'secret' }, note: 'secret' });
  const line = written((log) => log.error({ err: error }, 'failed'));
  expect(line.err).toEqual({
    type: 'TypeError',
    message: 'could not write',
    code: 11000,
    stack: expect.stringContaining('log.test.ts'),
    cause: { type: 'Error', message: 'connection lost', code: 'ECONNRESET', stack: expect.any(String) },
  });
  expect(JSON.stringify(line)).not.toContain('secret');
});

it('is one line, whatever is in it', () => {
  const text = 'a\n{"level":50,"msg":"forged"}\r\n\u2028b\u001b[2J';
  const line = written((log) => log.info({ requestId: text }, text));
  expect([line.requestId, line.msg]).toEqual([text, text]);
});

it('holds nothing of what was thrown instead of an error', () => {
  const line = written((log) => log.error({ err: { password: 'secret', text: 'secret' } }, 'failed'));
  expect(line.err).toEqual({ type: 'object', message: 'something that is no Error was thrown' });
});

it.each(['authorization', 'cookie', 'api_key', 'key', 'password', 'secret', 'token', 'x-api-key'])(
  'holds no %s, wherever it stands',
  (name) => {
    const line = written((log) =>
      log.info({ [name]: 'mine', request: { [name]: 'mine', headers: { [name]: 'mine' } } }),
    );
    expect(JSON.stringify(line)).not.toContain('mine');
  },
);
