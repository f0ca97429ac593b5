/**
 * docs/security.md says of every item of three lists whether it is met and which test shows it. Here the page is held to that: no item is left
 * out or made up, whatever is said to be met names tests that exist, and what isn't says why.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const page = readFileSync(`${root}docs/security.md`, 'utf8');

/** Requirements of levels 1 and 2 by section, as `number:level` (OWASP ASVS 5.0.0). */
const asvs: Readonly<Record<string, string>> = {
  '4.1': '1:1 2:2 3:2',
  '4.2': '1:2',
  '4.3': '1:2 2:2',
  '4.4': '1:1 2:2 3:2 4:2',
  '6.1': '1:1 2:2 3:2',
  '6.2': '1:1 2:1 3:1 4:1 5:1 6:1 7:1 8:1 9:2 10:2 11:2 12:2',
  '6.3': '1:1 2:1 3:2 4:2',
  '6.4': '1:1 2:1 3:2 4:2',
  '6.5': '1:2 2:2 3:2 4:2 5:2',
  '6.6': '1:2 2:2 3:2',
  '6.8': '1:2 2:2 3:2 4:2',
  '7.1': '1:2 2:2 3:2',
  '7.2': '1:1 2:1 3:1 4:1',
  '7.3': '1:2 2:2',
  '7.4': '1:1 2:1 3:2 4:2 5:2',
  '7.5': '1:2 2:2',
  '7.6': '1:2 2:2',
  '8.1': '1:1 2:2',
  '8.2': '1:1 2:1 3:2',
  '8.3': '1:1',
  '8.4': '1:2',
  '9.1': '1:1 2:1 3:1',
  '9.2': '1:1 2:2 3:2 4:2',
  '10.1': '1:2 2:2',
  '10.2': '1:2 2:2',
  '10.3': '1:2 2:2 3:2 4:2',
  '10.4': '1:1 2:1 3:1 4:1 5:1 6:2 7:2 8:2 9:2 10:2 11:2',
  '10.5': '1:2 2:2 3:2 4:2 5:2',
  '10.6': '1:2 2:2',
  '10.7': '1:2 2:2 3:2',
  '13.1': '1:2',
  '13.2': '1:2 2:2 3:2 4:2 5:2',
  '13.3': '1:2 2:2',
  '13.4': '1:1 2:2 3:2 4:2 5:2',
  '14.1': '1:2 2:2',
  '14.2': '1:1 2:2 3:2 4:2',
  '14.3': '1:1 2:2 3:2',
  '16.1': '1:2',
  '16.2': '1:2 2:2 3:2 4:2 5:2',
  '16.3': '1:2 2:2 3:2 4:2',
  '16.4': '1:2 2:2 3:2',
  '16.5': '1:2 2:2 3:2',
};

const tenOf = (list: string, year: number, digits: number) =>
  Array.from({ length: 10 }, (_, index) => `${list}${String(index + 1).padStart(digits, '0')}:${year}`);

const expected = [
  ...Object.entries(asvs).flatMap(([section, numbers]) =>
    numbers.split(' ').map((one) => {
      const [number, level] = one.split(':');
      return `${section}.${number} L${level}`;
    }),
  ),
  ...tenOf('API', 2023, 1),
  ...tenOf('LLM', 2025, 2),
];

interface Row {
  /** With its level, where the list has any. */
  id: string;
  state: string;
  text: string;
  proofs: { file: string; title: string }[];
}

function readRow(line: string): Row {
  const cells = line.split('|').map((cell) => cell.trim());
  const [, id = '', ...rest] = cells;
  const hasLevel = /^\d/.test(id);
  const [level = '', state = '', text = '', proof = ''] = hasLevel ? rest : ['', ...rest];
  const proofs = [...proof.matchAll(/`([^`]+)` › (.+?)(?=<br>|$)/g)].map(([, file = '', title = '']) => ({
    file,
    title,
  }));
  return { id: hasLevel ? `${id} ${level}` : id, state, text, proofs };
}

const rows = page
  .split('\n')
  .filter((line) => /^\| (\d+\.\d+\.\d+|API\d+:|LLM\d+:)/.test(line))
  .map(readRow);

it('goes through the lists completely, each item once, in their order', () => {
  expect(rows.map(({ id }) => id)).toEqual(expected);
});

it('says of each what is so, and why where nothing shows it', () => {
  for (const { id, state, text, proofs } of rows) {
    expect(['met', 'partly', 'not met', 'n/a'], id).toContain(state);
    expect(text.length, id).toBeGreaterThan(5);
    expect(proofs.length > 0, id).toBe(state === 'met' || state === 'partly');
  }
});

it('names tests that exist, and run', () => {
  const wrong = rows.flatMap(({ id, proofs }) =>
    proofs.flatMap(({ file, title }) => {
      if (!file.endsWith('.test.ts') || !existsSync(root + file)) return [`${id}: no test file ${file}`];
      const text = readFileSync(root + file, 'utf8');
      // A title stands in quotes, in one line.
      const isThere = text.split('\n').some((line) => /['`]/.test(line) && line.includes(title));
      return isThere ? [] : [`${id}: ${file} has no test ${title}`];
    }),
  );
  expect(wrong).toEqual([]);
});

it('says what a reader of it needs: roles, ways in, words no password holds, lifetimes, classes of data, logs, neighbours', () => {
  const section = (title: string) => page.split(`\n## ${title}\n`)[1]?.split('\n## ')[0] ?? '';
  const needed: Record<string, string[]> = {
    'Who may do what': ['`user`', '`operator`', '`superuser`', 'Functions', 'Objects', 'Fields'],
    'Signing in': [
      'GitHub',
      'client_credentials',
      'refresh token',
      'inkwell',
      '15 minutes',
      'INKWELL_LIMIT_IP_PER_MINUTE',
    ],
    Sessions: ['15 minutes', '30 days', '90 days', '12 hours', 'as often as they like', 'NIST SP 800-63B'],
    'What is kept': ['credentials', 'contents', 'INKWELL_RETENTION_HOURS', 'encrypt the disk'],
    Logs: ['stderr', 'audit', 'Unix milliseconds', 'operators'],
    'What it talks to': ['Redis', 'MongoDB', 'Kafka', 'GitHub', 'Webhook'],
  };
  for (const [title, words] of Object.entries(needed)) {
    for (const word of words) expect(section(title), title).toContain(word);
  }
});

it('keeps the history of the sources out of images', () => {
  const ignored = readFileSync(`${root}.dockerignore`, 'utf8').split('\n');
  for (const path of ['.git', '.inkwell*', '**/node_modules']) expect(ignored).toContain(path);
});
