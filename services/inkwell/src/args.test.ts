import { expect, it } from 'vitest';
import { parseCommand, usage } from './args.ts';

it.each([
  [[], { name: 'help' }],
  [['serve'], { name: 'serve', json: false }],
  [['serve', '--json'], { name: 'serve', json: true }],
  [['-h'], { name: 'help' }],
  [['serve', '--help'], { name: 'help' }],
  [['--version'], { name: 'version' }],
])('reads %j', (argv, command) => {
  expect(parseCommand(argv)).toEqual(command);
});

it.each([[['srve']], [['serve', 'now']], [['serve', '--prot', '1']]])('refuses %j instead of guessing', (argv) => {
  expect(() => parseCommand(argv)).toThrow();
});

it('names every command in the help text', () => {
  for (const name of ['serve', 'help', 'version']) expect(usage).toContain(`  ${name}`);
});
