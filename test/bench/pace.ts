/** Doing something a given number of times per second, and saying of each time when it was due. */
import { wallMs } from './client.ts';

/** How often what is due is looked for: what workers flush together is about as far apart. */
const everyMs = 4;

/**
 * @param act told its number, from 0, and when it was due in Unix milliseconds: being late then counts as lag
 * @returns how many times
 */
export async function atRate(rate: number, seconds: number, act: (index: number, at: number) => void): Promise<number> {
  const startedAt = wallMs();
  const total = rate * seconds;
  for (let done = 0; done < total; ) {
    const due = Math.min(total, Math.floor(((wallMs() - startedAt) * rate) / 1000));
    for (; done < due; done++) act(done, startedAt + (done * 1000) / rate);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  return total;
}
