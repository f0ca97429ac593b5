import { expect, it } from 'vitest';
import { parseCommand, usage } from './args.ts';

it.each([
  [[], { name: 'help' }],
  [['serve'], { name: 'serve', json: false }],
  [['serve', '--json'], { name: 'serve', json: true }],
  [['-h'], { name: 'help' }],
  [['serve', '--help'], { name: 'help' }],
  [['--version'], { name: 'version' }],
  [['cluster'], { name: 'cluster', json: false, gateways: 1, workers: 1 }],
  [
    ['cluster', '--gateways', '2', '--workers', '3', '--json'],
    { name: 'cluster', json: true, gateways: 2, workers: 3 },
  ],
  [['cluster', 'status', '--json'], { name: 'cluster status', json: true }],
  [['cluster', 'scale', 'workers=4'], { name: 'cluster scale', json: false, size: { workers: 4 } }],
  [
    ['cluster', 'scale', 'workers=0', 'gateways=2'],
    { name: 'cluster scale', json: false, size: { workers: 0, gateways: 2 } },
  ],
  [['cluster', 'drain', 'worker=w-1'], { name: 'cluster drain', json: false, worker: 'w-1' }],
])('reads %j', (argv, command) => {
  expect(parseCommand(argv)).toEqual(command);
});

it.each([
  [['srve']],
  [['serve', 'now']],
  [['serve', '--prot', '1']],
  [['serve', '--workers', '2']],
  [['cluster', 'stop']],
  [['cluster', '--gateways', '0']],
  [['cluster', '--workers', '-1']],
  [['cluster', '--workers', '1e3']],
  [['cluster', 'scale']],
  [['cluster', 'scale', 'workers']],
  [['cluster', 'scale', 'workers=many']],
  [['cluster', 'scale', 'workers=1', 'workers=2']],
  [['cluster', 'scale', 'recorders=2']],
  [['cluster', 'drain', 'worker=']],
  [['users']],
  [['users', 'create-superuser']],
  [['users', 'create-superuser', 'secret-password', '--username', 'ada']],
])('refuses %j instead of guessing', (argv) => {
  expect(() => parseCommand(argv)).toThrow();
});

it('names every command in the help text', () => {
  for (const name of ['serve', 'cluster', 'users', 'help', 'version']) expect(usage).toContain(`  ${name}`);
});
