/** How long the reader of a stream waits for the next token when the worker that was writing it is killed with SIGKILL. */
import { ClusterProcess, ownServers } from '../support/cluster-process.ts';
import { testKey } from '../support/product-process.ts';
import { Client } from './client.ts';
import { quantile, rounded } from './statistics.ts';

export interface FailoverResult {
  kills: number;
  /** Milliseconds from the kill to the next token at the client. */
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
}

const workers = 4;
/** Dead ones come back behind the measurement; so many must live before the next is killed. */
const fewest = 3;
const paceMs = 20;
const request = { model: 'inkwell-small', prompt: 'x', max_tokens: 500, ignore_eos: true };

export async function benchFailover(kills: number, progress: (text: string) => void): Promise<FailoverResult> {
  progress('failover: starting a cluster');
  const env = { ...ownServers, INKWELL_BACKEND: 'null', INKWELL_NULL_PACE_MS: `${paceMs}` };
  const cluster = await new ClusterProcess({ workers, env }).start();
  try {
    const silences: number[] = [];
    while (silences.length < kills) {
      silences.push(await killOnce(cluster));
      if (silences.length % 10 === 0) progress(`failover: ${silences.length} of ${kills} kills`);
    }
    return {
      kills,
      p50Ms: rounded(quantile(silences, 0.5)),
      p99Ms: rounded(quantile(silences, 0.99)),
      maxMs: rounded(Math.max(...silences)),
    };
  } finally {
    await cluster.dispose();
  }
}

async function killOnce(cluster: ClusterProcess): Promise<number> {
  const client = new Client(cluster.url, { authorization: `Bearer ${testKey}` });
  try {
    const { id } = await client.json<{ id: string }>('POST', '/v1/jobs', { ...request, priority: 'interactive' });
    let killedAt = 0;
    let silenceMs = 0;
    let worker = '';
    let cancelled: Promise<unknown> = Promise.resolve();
    await client.events(await client.open('GET', `/v1/jobs/${id}/events`), (data, at) => {
      const event = JSON.parse(data) as { type: string; worker?: string; sequence_number: number };
      if (event.type === 'job.started') worker ||= event.worker ?? '';
      if (event.type !== 'job.delta') return;
      if (killedAt > 0 && silenceMs === 0 && at - killedAt > 4 * paceMs) {
        silenceMs = at - killedAt;
        // It is measured; the rest of the text need not be waited for.
        cancelled = client.json('POST', `/v1/jobs/${id}/cancel`);
      }
      if (killedAt > 0 || event.sequence_number < 10) return;
      const victim = cluster.processes('worker').find((one) => one.id === worker);
      if (victim === undefined) throw new Error(`worker ${worker} is not in cluster.json`);
      process.kill(victim.pid, 'SIGKILL');
      killedAt = at;
    });
    while (cluster.processes('worker').length < fewest) await new Promise((resolve) => setTimeout(resolve, 50));
    await cancelled;
    return silenceMs;
  } finally {
    client.close();
  }
}
