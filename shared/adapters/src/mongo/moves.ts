/**
 * Brings moves to their end: counted by the ledger, forgotten by the job, forgotten by the ledger. `Moves` does it for this process's own
 * moves and takes over those that others left behind; ledger.ts says why nothing is counted twice.
 */
import type { MongoConnection } from './connection.ts';
import type { Counted, Ledger, Stamp } from './ledger.ts';
import type { JobDocument } from './schema.ts';

/** Jobs taken over in one go. */
const repairedAtOnce = 1000;

export class Moves {
  readonly #jobs: MongoConnection['jobs'];
  readonly #ledger: Ledger;
  readonly #forgetting = new Set<Promise<void>>();

  constructor(jobs: MongoConnection['jobs'], ledger: Ledger) {
    this.#jobs = jobs;
    this.#ledger = ledger;
  }

  /** Counts the move of a job that is in its new state already. When another process took the move over, that one counts it. */
  async settle(stamp: Stamp, counted: Counted): Promise<void> {
    let own = stamp;
    while ((await this.#ledger.count(own, counted)).outcome === 'superseded') {
      const renewed = await this.#restamp(counted.key, own, this.#ledger.epoch);
      if (renewed === undefined) return;
      own = renewed;
    }
    this.#forgetLater(counted.key, own);
  }

  /** The job forgets a counted move; nobody needs to wait for it, and a failure leaves work for `repair`. */
  #forgetLater(key: string, stamp: Stamp): void {
    const forgetting = this.#forget(key, stamp)
      .catch(() => undefined)
      .finally(() => this.#forgetting.delete(forgetting));
    this.#forgetting.add(forgetting);
  }

  async #forget(key: string, stamp: Stamp): Promise<void> {
    const change = { $unset: { [`moves.${stamp.id}`]: '' }, $inc: { pending: -1 } };
    const { modifiedCount } = await this.#jobs.updateOne(heldBy(key, stamp), change);
    if (modifiedCount === 1) this.#ledger.forget(stamp.id);
  }

  /** Finishes what is under way. */
  async flush(): Promise<void> {
    await Promise.all(this.#forgetting);
    await this.#ledger.flush();
  }

  /**
   * Ends moves that were left behind: older than `staleMs`, so that living processes are rarely disturbed (it costs them a round trip, never
   * more). Arrivals that were never answered are taken back, everything else is counted. Answers how many moves it ended.
   */
  async repair(staleMs: number): Promise<number> {
    const filter = { pending: { $gt: 0 }, movedAt: { $lt: Date.now() - staleMs } };
    const stale = await this.#jobs.find(filter).limit(repairedAtOnce).lean();
    const { epoch } = stale.length === 0 ? await this.#ledger.read() : await this.#ledger.beginEpoch();
    let ended = 0;
    for (const job of stale) {
      for (const [id, move] of Object.entries(job.moves)) {
        const stamp = await this.#restamp(job._id, { id, epoch: move.epoch }, epoch);
        if (stamp === undefined) continue;
        await this.#end(job, stamp);
        ended++;
      }
    }
    await Promise.all(this.#forgetting);
    await this.#sweepLedger(epoch);
    return ended;
  }

  async #end(job: JobDocument, stamp: Stamp): Promise<void> {
    const move = job.moves[stamp.id];
    if (move === undefined) return;
    const counted = { key: job._id, tenant: job.tenant, priority: job.priority, from: move.from, to: move.to };
    if (job.state !== 'arriving') return this.settle(stamp, counted);
    if (!(await this.#ledger.undo(stamp, counted))) return;
    await this.#jobs.deleteOne({ ...heldBy(job._id, stamp), state: 'arriving' });
  }

  /** Moves of earlier epochs that the ledger still notes although their jobs forgot them. */
  async #sweepLedger(epoch: number): Promise<void> {
    const { open } = await this.#ledger.read();
    for (const [id, note] of Object.entries(open)) {
      if (note.epoch >= epoch) continue;
      const named = await this.#jobs.exists({ _id: note.key, [`moves.${id}`]: { $exists: true } });
      if (named === null) this.#ledger.forget(id);
    }
    await this.#ledger.flush();
  }

  /** Only one of all who try wins the stamp of the epoch. */
  async #restamp(key: string, stamp: Stamp, epoch: number): Promise<Stamp | undefined> {
    if (stamp.epoch >= epoch) return undefined;
    const change = { $set: { [`moves.${stamp.id}.epoch`]: epoch } };
    const { modifiedCount } = await this.#jobs.updateOne(heldBy(key, stamp), change);
    return modifiedCount === 1 ? { id: stamp.id, epoch } : undefined;
  }
}

/** Matches the job while its move has this very stamp. */
export function heldBy(key: string, { id, epoch }: Stamp): Record<string, unknown> {
  return { _id: key, [`moves.${id}.epoch`]: epoch };
}
