/**
 * Whether this worker computes the bits that the cluster's other workers do: a job that one began another continues in mid-sentence, and its text must
 * be that of an undisturbed run. The registry holds what all agree on; who differs takes no work. While jobs run, what they were begun with
 * holds even when nobody lives who computes it.
 */
import type { ModelBackendInfo, Numerics, WorkerRegistry } from '@inkwell/ports';
import type { WorkerContext } from './context.ts';
import { ttlMs } from './heartbeat.ts';
import { persist } from './persist.ts';

/** To be raised by a release whose kernels compute other bits than those of the release before. */
const kernels = '1';

/** Backends that compute the same bits have one name. */
function backendOf({ name, device, quantization }: ModelBackendInfo): string {
  if (quantization === 'int8' && (name === 'native' || name === 'tfjs-wasm')) return 'native or wasm';
  // Libraries of others: what they compute may depend on the processor.
  return name.startsWith('tfjs-node') || name === 'webgpu' ? `${name} on ${device}` : name;
}

/** @param checksums of the model's files, by name */
export function numericsOf(
  model: string,
  checksums: Readonly<Record<string, string>>,
  info: ModelBackendInfo,
): Numerics {
  return {
    INKWELL_MODEL_ID: model,
    INKWELL_QUANTIZATION: info.quantization,
    INKWELL_KV_CACHE: info.kvCache,
    INKWELL_BACKEND: backendOf(info),
    'kernels of the release': kernels,
    ...checksums,
  };
}

const shown = (value: string | undefined) =>
  value === undefined ? 'nothing' : value.length > 40 ? value.slice(0, 12) : value;

/** For people, which settings differ; null if none does. */
export function differences(ours: Numerics, theirs: Numerics): string | null {
  const names = [...new Set([...Object.keys(ours), ...Object.keys(theirs)])];
  const differing = names.filter((name) => ours[name] !== theirs[name]);
  if (differing.length === 0) return null;
  const list = differing.map((name) => `${name} is ${shown(ours[name])} here and ${shown(theirs[name])} there`);
  return `this worker would compute other text than the others of its cluster, or than those that began jobs which still run: ${list.join(', ')}. All workers of a cluster need the same. To change it, let the jobs in progress end and stop all workers first.`;
}

export class Agreement {
  readonly #context: WorkerContext;
  readonly #registry: WorkerRegistry;
  readonly #numerics: (info: ModelBackendInfo) => Promise<Numerics>;
  #ours: Numerics | null = null;

  constructor(
    context: WorkerContext,
    registry: WorkerRegistry,
    numerics: (info: ModelBackendInfo) => Promise<Numerics>,
  ) {
    this.#context = context;
    this.#registry = registry;
    this.#numerics = numerics;
  }

  /**
   * @returns what differs, for people, or null
   * @throws when the numerics cannot be told, or the worker stops
   */
  async seek(info: ModelBackendInfo): Promise<string | null> {
    const ours = await this.#numerics(info);
    const { jobStore } = this.#context.ports;
    const theirs = await persist(this.#context, 'agree', async () => {
      const { inProgress } = await jobStore.counts();
      return this.#registry.agree(ours, ttlMs, inProgress === 0);
    });
    const differing = differences(ours, theirs);
    this.#ours = differing === null ? ours : null;
    return differing;
  }

  /** Confirms what was agreed. Answers as `seek`; a worker that was stopped for long may find others. */
  async confirm(): Promise<string | null> {
    if (this.#ours === null) return null;
    return differences(this.#ours, await this.#registry.agree(this.#ours, ttlMs, false));
  }
}
