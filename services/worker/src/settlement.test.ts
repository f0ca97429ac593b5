/** Whatever ends a job, and whenever its worker dies over it: what is charged in the end is what was produced, once. */
import { isTerminal, isTerminalEvent, type JobEvent } from '@inkwell/contracts';
import { chargedTokens } from '@inkwell/limits';
import type { Limit } from '@inkwell/ports';
import { expect, it } from 'vitest';
import { Bench } from './testing/bench.ts';
import { crashingPorts, type PortCall } from './testing/crashing-ports.ts';

const limit: Limit = { name: 'key:1:tokens', unit: 'tokens', window: 'month', amount: 1_000_000 };

async function used(bench: Bench): Promise<number> {
  return (await bench.store.rateLimiter.usage([limit]))[0]!.used;
}

const isLastAppend = ({ name, arguments: given }: PortCall): boolean =>
  name === 'append' && (given[3] as JobEvent[]).some((event) => isTerminalEvent(event));
const isLastTransition = ({ name, arguments: given }: PortCall): boolean =>
  name === 'transition' && given[2] === 'completed';
const points: Record<string, (call: PortCall) => boolean> = {
  'the terminal event': isLastAppend,
  'the settlement': ({ name }) => name === 'settle',
  'the move of the record': isLastTransition,
  'the acknowledgement': ({ name }) => name === 'ack',
};

for (const [point, isPoint] of Object.entries(points)) {
  it.each(['before', 'after'] as const)(
    `charges what was produced when the worker dies %s ${point}`,
    async (moment) => {
      await using bench = await Bench.open();
      const { ports, crashed } = crashingPorts(bench.ports, (call, when) => when === moment && isPoint(call));
      const dying = await bench.startWorker({ ports });
      const job = await bench.submit({ limit, spec: { maxTokens: 6 }, costTokens: 500 });
      await crashed;
      await dying.stop();
      await bench.restartStore();
      await bench.startWorker();
      const { outcome } = await bench.ending(job.key);
      await bench.eventually('the record follows', async () => {
        const record = await bench.store.jobStore.get(job.key);
        return record !== undefined && isTerminal(record.state);
      });
      expect(chargedTokens(outcome)).toBeGreaterThan(6);
      // A terminal record means a settled reservation.
      expect(await used(bench)).toBe(chargedTokens(outcome));
      expect(await bench.store.rateLimiter.settle(job.key, 0)).toBe(false);
    },
  );
}

it('charges nothing for a job that expired before it began, and what was drawn for one that expired later', async () => {
  await using bench = await Bench.open();
  const late = await bench.submit({ limit, deadlineAt: Date.now() - 1 });
  await bench.startWorker({ engine: { nullPaceMs: 20 } });
  const cut = await bench.submit({ limit, deadlineAt: Date.now() + 400, spec: { maxTokens: 200 } });
  const outcomes = [(await bench.ending(late.key)).outcome, (await bench.ending(cut.key)).outcome];
  expect(outcomes.map(({ state }) => state)).toEqual(['expired', 'expired']);
  for (const { key } of [late, cut]) {
    await bench.eventually('the record follows', async () => {
      const record = await bench.store.jobStore.get(key);
      return record !== undefined && isTerminal(record.state);
    });
  }
  expect(chargedTokens(outcomes[0]!)).toBe(0);
  expect(await used(bench)).toBe(chargedTokens(outcomes[1]!));
});
