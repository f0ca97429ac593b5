/**
 * The engine: jobs in, text out, one `step()` at a time: schedule → forward → sample → text. Guarantees that a job's tokens are a pure
 * function of weights, spec and seed, whatever runs beside it, however often it is preempted or continued elsewhere. Knows no process, no
 * queue and no tensor; a job that cannot be sampled fails alone, a backend that throws fails the step.
 */
import type { GenerationSpec, Usage } from '@inkwell/contracts';
import type { Tokenizer } from '@inkwell/gpt2';
import type { ModelBackend } from '@inkwell/ports';
import { TurnoverMap } from '@inkwell/resilience/turnover-map';
import { type LogitsTarget, layOut } from './batch.ts';
import type { Candidate } from './candidate.ts';
import { type ChoiceDelta, EngineJob } from './engine-job.ts';
import { BlockPool } from './kv-blocks.ts';
import { Scheduler, type SchedulerLimits } from './scheduler.ts';
import type { Sequence } from './sequence.ts';
import { type SpeculationCounts, type SpeculationMode, Speculator } from './speculation/speculator.ts';
import { StepPace } from './step-pace.ts';

/** What a reader of a running text may wait for the prompts of others, per token. */
const promptTimeBesideTextsMs = 50;
/** What a cancel or a newcomer may wait for a step of prompts. */
const promptTimeMs = 1000;

export const defaultSchedulerLimits: SchedulerLimits = {
  maxSequences: 32,
  stepTokenBudget: 128,
  promptLogitsPerStep: 32,
};

/** How a job stands after a step that concerned it. */
export interface JobStep {
  id: string;
  /** Text and tokens added; the finish reason is set with an index's last. */
  deltas: ChoiceDelta[];
  /** Set when the job has ended well: every token drawn, those of dropped candidates too. */
  usage: Usage | null;
  /** Set when the job failed: for the log. */
  error: string | null;
}

export interface EngineLoad {
  runningSequences: number;
  waitingSequences: number;
  usedBlocks: number;
}

export interface StepReport {
  jobs: JobStep[];
  /** Prompt tokens computed in this step, recomputed ones too. */
  promptTokens: number;
  /** Tokens drawn in this step. */
  drawnTokens: number;
  load: EngineLoad;
}

interface Owner {
  readonly job: EngineJob;
  readonly candidate: Candidate;
}

export class Engine {
  readonly #backend: ModelBackend;
  readonly #tokenizer: Tokenizer;
  readonly #contextLength: number;
  readonly #blocks: BlockPool;
  readonly #scheduler: Scheduler;
  readonly #speculator: Speculator;
  readonly #pace = new StepPace();
  readonly #jobs = new TurnoverMap<string, EngineJob>();
  /** Of the sequences that run or wait. */
  readonly #owners = new WeakMap<Sequence, Owner>();
  /** Jobs that ended without a step: continued ones that lacked nothing. */
  #settled: JobStep[] = [];

  /** @param speculation whether guesses at the next tokens are computed along: changes how fast tokens come, never which */
  constructor(
    backend: ModelBackend,
    tokenizer: Tokenizer,
    limits: SchedulerLimits = defaultSchedulerLimits,
    speculation: SpeculationMode = 'off',
  ) {
    const { blockSize, blockCount, contextLength } = backend.info;
    this.#backend = backend;
    this.#tokenizer = tokenizer;
    this.#contextLength = Math.min(contextLength, blockSize * blockCount);
    this.#blocks = new BlockPool(blockSize, blockCount);
    this.#scheduler = new Scheduler(this.#blocks, limits);
    this.#speculator = new Speculator(speculation);
  }

  /** True when a step would do nothing. */
  get idle(): boolean {
    return this.#jobs.size === 0 && this.#settled.length === 0;
  }

  get load(): EngineLoad {
    return {
      runningSequences: this.#scheduler.runningCount,
      waitingSequences: this.#scheduler.waitingCount,
      usedBlocks: this.#blocks.usedCount,
    };
  }

  /** How often a sequence lost its blocks since the start. */
  get preemptions(): number {
    return this.#scheduler.preemptions;
  }

  /** Tokens whose computation was saved since the start, because a beginning was known. */
  get reusedTokens(): number {
    return this.#scheduler.reusedTokens;
  }

  /** How guesses at next tokens fared since the start. */
  get speculation(): Readonly<SpeculationCounts> {
    return this.#speculator.counts;
  }

  /**
   * Takes a job in; it begins with the next step.
   * @param delivered per choice the tokens that were drawn and shown before; text continues behind them
   * @param scope jobs of one scope, usually a tenant, share the computed beginnings of their prompts; undefined shares nothing
   * @throws UnrunnableJobError or ModelError when the spec can never run; nothing changes then
   */
  add(id: string, spec: GenerationSpec, delivered: readonly (readonly number[])[] = [], scope?: string): void {
    if (this.#jobs.has(id)) throw new Error(`job ${id} is already in the engine`);
    const model = {
      tokenizer: this.#tokenizer,
      contextLength: this.#contextLength,
      vocabSize: this.#tokenizer.vocabSize,
    };
    const job = new EngineJob(id, spec, delivered, model);
    if (job.finished) {
      this.#settled.push({ id, deltas: [], usage: job.usage(), error: null });
      return;
    }
    this.#jobs.set(id, job);
    for (const candidate of job.candidates) {
      if (candidate.finishReason !== null) continue;
      this.#owners.set(candidate.sequence, { job, candidate });
      candidate.sequence.scope = scope;
      this.#scheduler.add(candidate.sequence);
    }
  }

  /** Drops a job: slots and blocks are free at once, nothing more is reported of it. Unknown ids are passed over. */
  abort(id: string): void {
    this.#settled = this.#settled.filter((step) => step.id !== id);
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    this.#jobs.delete(id);
    for (const candidate of job.candidates) this.#retire(candidate);
  }

  /** One step of every running sequence. Jobs may be added and aborted while it is awaited. */
  async step(): Promise<StepReport> {
    const reports = new Map(this.#settled.map((step) => [step.id, step]));
    this.#settled = [];
    const work = this.#scheduler.schedule(
      (besideTexts) => this.#pace.rowsWithin(besideTexts ? promptTimeBesideTextsMs : promptTimeMs),
      (texts, mostRows) => this.#speculator.draft(texts, mostRows),
    );
    if (work.length === 0) return { jobs: [...reports.values()], promptTokens: 0, drawnTokens: 0, load: this.load };
    const { batch, targets } = layOut(work);
    const start = performance.now();
    const logits = await this.#backend.forward(batch);
    const durationMs = performance.now() - start;
    this.#pace.observe(batch.tokens.length, durationMs);
    let promptTokens = 0;
    for (const { sequence, from, count } of work) {
      promptTokens += Math.max(0, Math.min(from + count, sequence.promptLength) - from);
    }
    let drawnTokens = 0;
    targets.forEach((target, i) => {
      // Rows padded beyond the vocabulary hold ids that are no tokens: they must never be drawn.
      const row = logits[i]!.subarray(0, this.#tokenizer.vocabSize);
      if (this.#consume(target, row, reports)) drawnTokens++;
    });
    this.#scheduler.commit(work);
    if (work.every(({ count }) => count === 1)) this.#speculator.observe(batch.tokens.length, durationMs);
    return { jobs: [...reports.values()], promptTokens, drawnTokens, load: this.load };
  }

  /** Uses one row of logits; true when a token was drawn from it. */
  #consume({ sequence, position, token }: LogitsTarget, logits: Float32Array, reports: Map<string, JobStep>): boolean {
    const owner = this.#owners.get(sequence);
    // A drafted token that was not drawn ends the draft: what was computed behind it is of another text.
    if (owner === undefined || sequence.tokens[position] !== token) return false;
    const { job, candidate } = owner;
    try {
      if (position + 1 < sequence.tokens.length) {
        candidate.scorePrompt(logits, position);
        return false;
      }
      const deltas = job.accept(candidate, candidate.draw(logits));
      if (candidate.finishReason !== null) this.#retire(candidate);
      this.#report(job, deltas, reports);
      return true;
    } catch (error) {
      this.abort(job.id);
      const message = error instanceof Error ? error.message : String(error);
      reports.set(job.id, { id: job.id, deltas: [], usage: null, error: message });
      return false;
    }
  }

  #report(job: EngineJob, deltas: ChoiceDelta[], reports: Map<string, JobStep>): void {
    let report = reports.get(job.id);
    if (report === undefined) {
      report = { id: job.id, deltas: [], usage: null, error: null };
      reports.set(job.id, report);
    }
    report.deltas.push(...deltas);
    if (!job.finished) return;
    report.usage = job.usage();
    this.#jobs.delete(job.id);
  }

  #retire(candidate: Candidate): void {
    this.#owners.delete(candidate.sequence);
    this.#scheduler.remove(candidate.sequence);
  }
}
