/**
 * Nothing acknowledged is ever lost: the whole process tree is killed with SIGKILL at random moments, also while it is starting, while jobs
 * and streams flow; what clients hold in the end must equal, byte for byte, what an undisturbed run gives.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { freePort } from '../../infra/services/running-service.ts';
import { InkwellProcess } from '../support/inkwell-process.ts';
import { testKey } from '../support/product-process.ts';
import { seededRandom } from '../support/random.ts';
import { type CollectedStream, collectStream, textOf } from '../support/sse.ts';

const jobCount = 200;
const streamCount = 20;
const kills = Number(process.env.CHAOS_KILLS ?? 20);
const prompts = ['The old house', 'She said that', 'In the beginning', 'When Alice', 'My lord, the', 'It was late and'];

const running: InkwellProcess[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((inkwell) => inkwell.dispose()));
});

const requestOf = (i: number) => ({
  model: 'inkwell-small',
  prompt: `${prompts[i % prompts.length]}`,
  max_tokens: 24 + ((i * 7) % 41),
  temperature: i % 3 === 0 ? 0 : 1,
  seed: i,
  ...(i % 5 === 0 ? { n: 2 } : {}),
  ...(i % 4 === 0 ? { stop: ['\n\n', ' the end'] } : {}),
});

const idOf = (i: number) => `chaos-${i}`;

interface JobBody {
  status: string;
  result: { choices: { text: string; index: number }[] };
}

/** PUTs until it is acknowledged, as a client with an id of its own does; a dead server is no answer. */
async function submit(inkwell: InkwellProcess, i: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    try {
      const response = await inkwell.request(`/v1/jobs/${idOf(i)}`, { method: 'PUT', body: requestOf(i) });
      if (response.ok) return;
      if (response.status < 500) throw new Error(`refused: ${response.status} ${await response.text()}`);
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('refused')) throw error;
    }
    await delay(50);
  }
}

async function fetchJob(inkwell: InkwellProcess, i: number, signal: AbortSignal): Promise<JobBody> {
  for (;;) {
    signal.throwIfAborted();
    const response = await inkwell.request(`/v1/jobs/${idOf(i)}?wait=30`);
    if (!response.ok) throw new Error(`job ${idOf(i)}: ${response.status} ${await response.text()}`);
    const job = (await response.json()) as JobBody;
    if (job.status !== 'queued' && job.status !== 'in_progress') return job;
  }
}

async function undisturbed(signal: AbortSignal): Promise<string[][]> {
  const inkwell = await new InkwellProcess().start();
  running.push(inkwell);
  await Promise.all(Array.from({ length: jobCount }, (_, i) => submit(inkwell, i, signal)));
  const jobs = await Promise.all(Array.from({ length: jobCount }, (_, i) => fetchJob(inkwell, i, signal)));
  await inkwell.dispose();
  return jobs.map((job) => job.result.choices.map((choice) => choice.text));
}

it('loses nothing and repeats nothing through 20 kills of the whole process tree', { timeout: 420_000 }, async () => {
  const random = seededRandom('kill-nine');
  const signal = AbortSignal.timeout(400_000);
  const expected = await undisturbed(signal);

  const inkwell = new InkwellProcess({ port: await freePort() });
  running.push(inkwell);
  await inkwell.start();
  const headers = { authorization: `Bearer ${testKey}` };
  const submitted: Promise<void>[] = [];
  const streams: Promise<CollectedStream>[] = [];
  for (let round = 0; round < kills; round++) {
    const from = Math.floor((round * jobCount) / kills);
    const to = Math.floor(((round + 1) * jobCount) / kills);
    for (let i = from; i < to; i++) {
      const accepted = submit(inkwell, i, signal);
      submitted.push(accepted);
      if (i % (jobCount / streamCount) === 0)
        streams.push(
          accepted.then(() => collectStream(() => `${inkwell.url}/v1/jobs/${idOf(i)}/events`, headers, signal)),
        );
    }
    // Every fourth kill strikes while the product is still starting; the others at a random moment of its work.
    await delay(50 + random.below(900));
    await inkwell.killNine();
    inkwell.spawn();
    if (round % 4 === 3) {
      await delay(random.below(1500));
      await inkwell.killNine();
      inkwell.spawn();
    }
    await inkwell.untilReady();
  }
  await Promise.all(submitted);
  const jobs = await Promise.all(Array.from({ length: jobCount }, (_, i) => fetchJob(inkwell, i, signal)));

  expect(jobs.map((job) => job.status)).toEqual(Array(jobCount).fill('completed'));
  expect(jobs.map((job) => job.result.choices.map((choice) => choice.text))).toEqual(expected);

  const collected = await Promise.all(streams);
  console.log(`reconnects per stream: ${collected.map((stream) => stream.reconnects).join(' ')}`);
  for (const [k, stream] of collected.entries()) {
    const texts = expected[k * (jobCount / streamCount)] ?? [];
    for (const [index, text] of texts.entries()) expect(textOf(stream.events, index)).toBe(text);
  }
  for (let i = 0; i < jobCount; i++) {
    const story = await collectStream(() => `${inkwell.url}/v1/jobs/${idOf(i)}/events`, headers, signal);
    expect(story.events.filter((event) => event.data.job)).toHaveLength(1);
    expect(expected[i]).toEqual(expected[i]?.map((_, index) => textOf(story.events, index)));
  }
  expect(await inkwell.stop()).toBe(0);
});
