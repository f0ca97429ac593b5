/**
 * A worker whose every move a test decides: it takes the real lease and writes the real stream and store, but what it "generates" is what it is
 * told. For tests of delivery that need a certain story, at a certain pace.
 */
import {
  type DeltaEvent,
  foldEvents,
  type GenerationSpec,
  type JobOutcome,
  type JobRecord,
  jobKey,
  type NewJobEvent,
  type TerminalState,
} from '@inkwell/contracts';
import type { GatewayPorts } from '../context.ts';

type Delta = Pick<DeltaEvent, 'delta'> & Partial<DeltaEvent>;

/** Somebody else, as a rule a canceller, owns the job now. */
export class LeaseLost extends Error {}

export class ScriptedWorker {
  readonly #ports: GatewayPorts;
  readonly #record: JobRecord;
  readonly #fence: number;
  #lastSeq: number;

  private constructor(ports: GatewayPorts, record: JobRecord, fence: number, lastSeq: number) {
    this.#ports = ports;
    this.#record = record;
    this.#fence = fence;
    this.#lastSeq = lastSeq;
  }

  /** Takes the job's lease and starts it. */
  static async start(ports: GatewayPorts, tenant: string, id: string): Promise<ScriptedWorker> {
    const key = jobKey(tenant, id);
    const lease = await ports.lease.acquire(key, 'scripted', 60_000);
    if (lease === 'held') throw new LeaseLost();
    const record = await ports.jobStore.transition(
      key,
      ['queued'],
      'in_progress',
      { attempts: 1, startedAt: Date.now() },
      lease.fence,
    );
    if (record === 'conflict') throw new LeaseLost();
    const last = await ports.resultStream.last(key);
    const worker = new ScriptedWorker(ports, record, lease.fence, last?.seq ?? 0);
    await worker.#append([{ type: 'job.started', at: Date.now(), attempt: 1, worker: 'scripted' }]);
    return worker;
  }

  get spec(): GenerationSpec {
    return this.#record.spec;
  }

  async #append(events: NewJobEvent[]): Promise<void> {
    const answer = await this.#ports.resultStream.append(this.#record.key, this.#fence, this.#lastSeq, events);
    if (answer === 'stale') throw new LeaseLost();
    this.#lastSeq += events.length;
  }

  /** One event per delta, in one append; each stands for one token. */
  async say(...deltas: (string | Delta)[]): Promise<void> {
    await this.#append(
      deltas.map((one) => ({
        type: 'job.delta',
        at: Date.now(),
        index: 0,
        tokens: [1],
        logprobs: null,
        finishReason: null,
        ...(typeof one === 'string' ? { delta: one } : one),
      })),
    );
  }

  async end(state: TerminalState, error: JobOutcome['error'] = null): Promise<void> {
    const { key, spec } = this.#record;
    const story = await this.#ports.resultStream.read(key, 0, 100_000);
    const { result } = foldEvents(spec, story);
    const outcome: JobOutcome = { state, result, error, finishedAt: Date.now() };
    await this.#append([{ type: `job.${state}`, at: outcome.finishedAt, outcome }]);
    await this.#ports.jobStore.transition(
      key,
      ['in_progress'],
      state,
      { result, error, finishedAt: outcome.finishedAt },
      this.#fence,
    );
  }
}
