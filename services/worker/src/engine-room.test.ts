import type { JobRecord } from '@inkwell/contracts';
import type { Delivery, ModelBackendInfo } from '@inkwell/ports';
import { describe, expect, it } from 'vitest';
import type { ToEngine } from './engine-process/protocol.ts';
import { EngineRoom } from './engine-room.ts';
import { JobRun } from './job-run.ts';
import { specOf } from './testing/bench.ts';

const info: ModelBackendInfo = {
  name: 'none',
  device: 'none',
  threads: 1,
  quantization: 'none',
  kvCache: 'f32',
  blockSize: 16,
  blockCount: 12,
  vocabSize: 300,
  contextLength: 256,
};

function runOf(key: string, over: Parameters<typeof specOf>[0] = {}): JobRun {
  return new JobRun({ message: { key } } as Delivery, { spec: specOf(over) } as JobRecord);
}

/** An engine room whose engine is played by the test. */
function stage(maxSequences = 4) {
  const sent: ToEngine[] = [];
  const submitted: string[] = [];
  const guilty: string[] = [];
  const names = new Map<string, string>();
  const room = new EngineRoom(
    {
      send: (message) => sent.push(message),
      onSubmit: (run) => {
        submitted.push(run.key);
        const last = sent.at(-1)!;
        if (last.type === 'submit') names.set(run.key, last.run);
      },
      onStep: () => {},
      onGuilty: (run) => guilty.push(run.key),
      onRestart: () => {},
    },
    maxSequences,
    3,
  );
  const report = (usedBlocks: number, ...keys: string[]) => {
    const delta = { index: 0, delta: 'x', tokens: [1], logprobs: null, finishReason: null };
    const jobs = keys.map((key) => ({ id: names.get(key)!, deltas: [delta], usage: null, error: null }));
    const load = { runningSequences: keys.length, waitingSequences: 0, usedBlocks };
    room.engineStepped({ type: 'step', durationMs: 1, report: { jobs, promptTokens: 0, drawnTokens: 0, load } });
  };
  /** The jobs in the engine now. */
  const inside = () => {
    const runs = new Set<string>();
    for (const message of sent) {
      if (message.type === 'submit') runs.add(message.run);
      else if (message.type === 'abort') runs.delete(message.run);
    }
    return [...names].filter(([, run]) => runs.has(run)).map(([key]) => key);
  };
  const crash = () => {
    sent.length = 0;
    room.engineCrashed('bang');
  };
  return { room, submitted, guilty, report, inside, crash };
}

describe('EngineRoom', () => {
  it('has room while sequences and blocks suffice, counting what was promised and what runs', () => {
    const { room, report } = stage();
    const small = runOf('small');
    expect(room.hasRoomFor(room.needOf(small), [])).toBe(false);
    room.engineReady(info);
    expect(room.needOf(small)).toEqual({ sequences: 1, blocks: 2 });
    expect(room.needOf(runOf('wide', { n: 3 }))).toEqual({ sequences: 3, blocks: 6 });
    expect(room.hasRoomFor({ sequences: 9, blocks: 99 }, [])).toBe(true);
    room.enter(small);
    expect(room.hasRoomFor({ sequences: 3, blocks: 2 }, [])).toBe(true);
    expect(room.hasRoomFor({ sequences: 4, blocks: 2 }, [])).toBe(false);
    expect(room.hasRoomFor({ sequences: 3, blocks: 2 }, [{ sequences: 1, blocks: 1 }])).toBe(false);
    expect(room.hasRoomFor({ sequences: 1, blocks: 10 }, [])).toBe(false);
    report(9, 'small');
    expect(room.hasRoomFor({ sequences: 1, blocks: 2 }, [])).toBe(true);
    expect(room.hasRoomFor({ sequences: 1, blocks: 3 }, [])).toBe(false);
    room.leave(small);
    expect(room.hasRoomFor({ sequences: 4, blocks: 12 }, [])).toBe(true);
  });

  it('after a crash lets each job without progress run alone until it shows some, then all together', async () => {
    const { room, report, inside, crash, guilty } = stage();
    room.engineReady(info);
    for (const key of ['a', 'b', 'c']) room.enter(runOf(key));
    report(3, 'a');
    crash();
    room.engineReady(info);
    expect(inside()).toEqual(['b']);
    expect(room.hasRoomFor({ sequences: 1, blocks: 1 }, [])).toBe(false);
    room.enter(runOf('late'));
    expect(inside()).toEqual(['b']);
    report(1, 'b');
    await Promise.resolve();
    expect(inside()).toEqual(['c']);
    report(1, 'c');
    await Promise.resolve();
    expect(inside().sort()).toEqual(['a', 'b', 'c', 'late']);
    expect(guilty).toEqual([]);
  });

  it('finds the one that crashes engines by three crashes and blames nobody else', async () => {
    const { room, report, inside, crash, guilty } = stage(8);
    room.engineReady(info);
    for (const key of ['a', 'poison', 'b', 'c']) room.enter(runOf(key));
    let crashes = 0;
    const innocent = new Set<string>();
    while (guilty.length === 0 || innocent.size < 3) {
      if (inside().includes('poison')) {
        crash();
        crashes++;
        room.engineReady(info);
      } else {
        for (const key of inside()) innocent.add(key);
        report(1, ...inside());
        await Promise.resolve();
      }
      expect(crashes).toBeLessThan(10);
    }
    expect(crashes).toBe(3);
    expect(guilty).toEqual(['poison']);
  });

  it('ignores what the engine still says of a job that has left', () => {
    const { room, report, inside } = stage();
    room.engineReady(info);
    const run = runOf('gone');
    room.enter(run);
    room.leave(run);
    expect(inside()).toEqual([]);
    report(0, 'gone');
    expect(room.size).toBe(0);
  });
});
