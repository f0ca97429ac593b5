/**
 * The counts of the queue, in one document, so that one conditional update checks both limits, counts and gives the ordinal. A job's state is
 * in another document; what joins them without transactions is a *move*: the job names it in the step that changes its state, the ledger
 * counts it and notes it as open in one step, then the job forgets it, then the ledger does. Whoever dies in between leaves a named move
 * behind, and whether it was counted can be read from the ledger.
 *
 * A move is counted once: the ledger counts it only while it isn't open, and only for the epoch of its stamp. Who takes over abandoned moves
 * first begins a new epoch; from then on no earlier holder can count, however late it wakes, unless it wins the stamp back in the job.
 */
import { randomBytes } from 'node:crypto';
import type { JobState, Priority } from '@inkwell/contracts';
import type { QueueLimits } from '@inkwell/ports';
import { isDuplicate, type MongoConnection } from './connection.ts';
import type { LedgerDocument } from './schema.ts';

/** Who moves what: the id is new for every move. */
export interface Stamp {
  id: string;
  epoch: number;
}

export interface Counted {
  key: string;
  tenant: string;
  priority: Priority;
  from: JobState | null;
  /** null: the job goes away without a trace. */
  to: JobState | null;
}

export type CountResult =
  | { outcome: 'counted'; before: LedgerDocument }
  /** By an earlier call, or by one whose answer was lost. */
  | { outcome: 'counted before' }
  /** The stamp is of an earlier epoch; nothing was counted. */
  | { outcome: 'superseded' }
  | { outcome: 'full'; ledger: LedgerDocument };

/** Most moves forgotten in one update. */
const forgottenAtOnce = 200;

const zeros = (): Record<Priority, number> => ({ interactive: 0, standard: 0, batch: 0 });

export class Ledger {
  readonly #model: MongoConnection['ledger'];
  #epoch = 0;
  /** Counted and forgotten by their jobs; the next update forgets them here too. */
  #done: string[] = [];

  constructor(model: MongoConnection['ledger']) {
    this.#model = model;
  }

  async open(): Promise<void> {
    const counts = { queued: zeros(), inProgress: 0, departed: zeros(), ordinal: zeros() };
    const empty: LedgerDocument = { _id: 'ledger', epoch: 1, total: 0, ...counts, tenants: {}, open: {} };
    try {
      await this.#model.insertMany([empty]);
    } catch (error) {
      if (!isDuplicate(error)) throw error;
    }
    await this.read();
  }

  stamp(): Stamp {
    return { id: randomBytes(12).toString('hex'), epoch: this.#epoch };
  }

  get epoch(): number {
    return this.#epoch;
  }

  async read(): Promise<LedgerDocument> {
    const ledger = await this.#model.findById('ledger').lean();
    if (ledger === null) throw new Error('The ledger of jobs is missing from the database.');
    this.#epoch = Math.max(this.#epoch, ledger.epoch);
    return ledger;
  }

  /** Counts the move if that wasn't done before. Limits count only for arrivals. */
  async count(stamp: Stamp, counted: Counted, limits?: QueueLimits): Promise<CountResult> {
    const open = `open.${stamp.id}`;
    const room = limits && {
      total: { $lt: limits.maxQueued },
      [tenantField(counted.tenant)]: { $not: { $gte: limits.maxQueuedPerTenant } },
    };
    for (;;) {
      const filter = { epoch: stamp.epoch, [open]: { $exists: false }, ...room };
      const set = { [open]: { epoch: stamp.epoch, key: counted.key } };
      const before = await this.#update(filter, { $inc: difference(counted), $set: set });
      if (before !== null) return { outcome: 'counted', before };
      const ledger = await this.read();
      if (ledger.open[stamp.id] !== undefined) return { outcome: 'counted before' };
      if (ledger.epoch !== stamp.epoch) return { outcome: 'superseded' };
      if (limits !== undefined && isFull(ledger, counted.tenant, limits)) return { outcome: 'full', ledger };
    }
  }

  /** Takes back a counted arrival; does nothing if it wasn't counted. False when the stamp is of an earlier epoch. */
  async undo(stamp: Stamp, counted: Counted): Promise<boolean> {
    const open = `open.${stamp.id}`;
    const filter = { epoch: stamp.epoch, [open]: { $exists: true } };
    const back = { ...counted, from: counted.to, to: null };
    const after = await this.#model.findOneAndUpdate(
      { _id: 'ledger', ...filter },
      { $inc: difference(back), $unset: { [open]: '' } },
    );
    return after !== null || (await this.read()).epoch === stamp.epoch;
  }

  /** The job no longer names the move. */
  forget(id: string): void {
    this.#done.push(id);
  }

  async flush(): Promise<void> {
    while (this.#done.length > 0) await this.#update({}, {});
  }

  /** From now on no stamp given before can count. */
  async beginEpoch(): Promise<LedgerDocument> {
    await this.#update({}, { $inc: { epoch: 1 } });
    return this.read();
  }

  /** Answers the ledger as it was before: what follows from it is the same on servers whose answer may show later changes too. */
  async #update(filter: Record<string, unknown>, change: Record<string, unknown>): Promise<LedgerDocument | null> {
    const forgotten = this.#done.splice(0, forgottenAtOnce);
    const unset = Object.fromEntries(forgotten.map((id) => [`open.${id}`, '']));
    const update = forgotten.length === 0 ? change : { ...change, $unset: unset };
    let before: LedgerDocument | null = null;
    try {
      before = await this.#model
        .findOneAndUpdate({ _id: 'ledger', ...filter }, update, { returnDocument: 'before' })
        .lean();
    } finally {
      if (before === null) this.#done.push(...forgotten);
    }
    return before;
  }
}

/** A tenant's field; dots and dollars would mean something in its name. */
function tenantField(tenant: string): string {
  return `tenants.${tenantName(tenant)}`;
}

export function tenantName(tenant: string): string {
  return encodeURIComponent(tenant).replaceAll('.', '%2E');
}

function isFull(ledger: LedgerDocument, tenant: string, limits: QueueLimits): boolean {
  const own = ledger.tenants[tenantName(tenant)] ?? 0;
  return ledger.total >= limits.maxQueued || own >= limits.maxQueuedPerTenant;
}

/** What a move adds to the counts. */
function difference({ tenant, priority, from, to }: Counted): Record<string, number> {
  const change: Record<string, number> = {};
  const add = (field: string, by: number) => {
    change[field] = (change[field] ?? 0) + by;
  };
  if (to === 'queued') {
    for (const field of ['total', `queued.${priority}`, `ordinal.${priority}`, tenantField(tenant)]) add(field, 1);
  }
  if (from === 'queued') {
    for (const field of ['total', `queued.${priority}`, tenantField(tenant)]) add(field, -1);
    add(`departed.${priority}`, 1);
  }
  if (to === 'in_progress') add('inProgress', 1);
  if (from === 'in_progress') add('inProgress', -1);
  return change;
}
