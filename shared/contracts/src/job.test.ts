import { describe, expect, it } from 'vitest';
import { canTransition, isTerminal, jobKey, jobStates, jobTransitions, terminalStates } from './job.ts';

describe('the job state table', () => {
  it('has terminal states exactly where nothing leads out', () => {
    expect(jobStates.filter(isTerminal)).toEqual([...terminalStates]);
  });

  it('reaches every state from queued and never returns to it', () => {
    const reached = new Set<string>(['queued']);
    for (const state of jobStates) if (reached.has(state)) for (const next of jobTransitions[state]) reached.add(next);
    expect([...reached].sort()).toEqual([...jobStates].sort());
    for (const from of jobStates) expect(canTransition(from, 'queued')).toBe(false);
  });

  it('walks every pair: legal exactly when the table says so, never out of a terminal state', () => {
    for (const from of jobStates)
      for (const to of jobStates) {
        expect(canTransition(from, to)).toBe(jobTransitions[from].includes(to));
        if (isTerminal(from)) expect(canTransition(from, to)).toBe(false);
      }
  });
});

describe('jobKey', () => {
  it('keeps equal client ids of different tenants apart', () => {
    expect(jobKey('a', 'x')).not.toBe(jobKey('b', 'x'));
  });
});
