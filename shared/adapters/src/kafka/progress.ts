/**
 * How far a consumer has got in one partition. Kafka keeps one offset per partition, but jobs end in any order: committed is the contiguous
 * prefix, and beside it, in the commit's metadata, what is known of the messages behind it: which are finished, and how often the others were
 * handed out. The next owner thereby repeats nothing finished and counts attempts on. Pure bookkeeping.
 *
 * The record is `1 MARK RUNS`. MARK names the consumer that wrote it. RUNS tell of the offsets from the committed one on: `F` finished, `U`
 * untouched, `a` handed out once, `b` twice, … each followed by how many in a row it stands for, if not one.
 */

/** Kafka refuses metadata over `offset.metadata.max.bytes`, 4096 unless set. What doesn't fit is forgotten: repeated, at worst. */
const recordLimit = 4000;
const mostHandouts = 26;

interface Run {
  /** Offset behind the last of the run. */
  end: number;
  /** Times handed out, or 'finished'. */
  fate: number | 'finished';
}

export class PartitionProgress {
  readonly topic: string;
  readonly partition: number;
  /** Times each unfinished message was handed out, by offset, in order. All other offsets below the next are finished. */
  readonly #unfinished = new Map<number, number>();
  #next: number;
  #inherited: Run[];

  /** `committed` and `record` as the last owner left them. */
  constructor(topic: string, partition: number, committed: number, record: string) {
    this.topic = topic;
    this.partition = partition;
    this.#next = committed;
    this.#inherited = decodeRuns(committed, record);
  }

  /** Messages read and not finished. */
  get unfinished(): number {
    return this.#unfinished.size;
  }

  /** Everything below is finished. */
  get prefix(): number {
    const { value } = this.#unfinished.keys().next();
    return value ?? this.#next;
  }

  /** Of the message to read next. */
  get next(): number {
    return this.#next;
  }

  /** A message was read, further than all before. Answers how often it was handed out by earlier owners, or that it is finished. */
  read(offset: number): number | 'finished' {
    this.#next = offset + 1;
    while (this.#inherited[0] !== undefined && this.#inherited[0].end <= offset) this.#inherited.shift();
    const fate = this.#inherited[0]?.fate ?? 0;
    if (fate !== 'finished') this.#unfinished.set(offset, fate);
    return fate;
  }

  handedOut(offset: number): void {
    const times = this.#unfinished.get(offset);
    if (times !== undefined) this.#unfinished.set(offset, times + 1);
  }

  finish(offset: number): void {
    this.#unfinished.delete(offset);
  }

  /** What to commit beside `prefix`. */
  record(mark: string): string {
    let text = `1 ${mark} `;
    for (const run of this.#runs()) {
      const written = encodeRun(run);
      if (text.length + written.length > recordLimit) break;
      text += written;
    }
    return text;
  }

  *#runs(): Generator<{ fate: Run['fate']; count: number }> {
    let from = this.prefix;
    let open: { fate: Run['fate']; count: number } | undefined;
    for (const { fate, end } of this.#fates()) {
      const count = end - from;
      from = end;
      if (count <= 0) continue;
      if (open?.fate === fate) open.count += count;
      else {
        if (open !== undefined) yield open;
        open = { fate, count };
      }
    }
    // What is untouched need not be said at the end.
    if (open !== undefined && open.fate !== 0) yield open;
  }

  *#fates(): Generator<Run> {
    for (const [offset, times] of this.#unfinished) {
      yield { fate: 'finished', end: offset };
      yield { fate: times, end: offset + 1 };
    }
    yield { fate: 'finished', end: this.#next };
    yield* this.#inherited;
  }
}

/** Who wrote the record, or undefined when nobody we know did. */
export function markOf(record: string): string | undefined {
  return /^1 (\S+) /.exec(record)?.[1];
}

function encodeRun({ fate, count }: { fate: Run['fate']; count: number }): string {
  const letter = fate === 'finished' ? 'F' : fate === 0 ? 'U' : String.fromCharCode(96 + Math.min(fate, mostHandouts));
  return count === 1 ? letter : `${letter}${count}`;
}

function decodeRuns(committed: number, record: string): Run[] {
  const runs = /^1 \S+ ((?:[FUa-z]\d*)*)$/.exec(record)?.[1] ?? '';
  let end = committed;
  return [...runs.matchAll(/([FUa-z])(\d*)/g)].map(([, letter = 'U', count]) => {
    end += count === '' ? 1 : Number(count);
    return { end, fate: letter === 'F' ? 'finished' : letter === 'U' ? 0 : letter.charCodeAt(0) - 96 };
  });
}
