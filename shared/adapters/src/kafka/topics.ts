/** The topics of one installation: their names, and which of them share their partitioning. */
import { crc32 } from 'node:zlib';
import { type Priority, priorities } from '@inkwell/contracts';

export interface TopicNames {
  /** Waiting jobs, one topic per priority. */
  jobs: Readonly<Record<Priority, string>>;
  /** Jobs to be delivered again at a stated time. */
  retries: string;
  deadLetters: string;
  cancels: string;
  facts: string;
  /** Bytes nobody could read, as they came. */
  unreadable: string;
}

export function topicNames(prefix: string): TopicNames {
  return {
    jobs: Object.fromEntries(priorities.map((priority) => [priority, `${prefix}jobs.${priority}`])) as Record<
      Priority,
      string
    >,
    retries: `${prefix}jobs.retries`,
    deadLetters: `${prefix}jobs.dead-letters`,
    cancels: `${prefix}jobs.cancels`,
    facts: `${prefix}facts`,
    unreadable: `${prefix}unreadable`,
  };
}

/** The topics whose partition i belongs together: all messages of a job are in one of these lanes. */
export function laneTopics(names: TopicNames): [string, ...string[]] {
  return [names.retries, ...Object.values(names.jobs)];
}

export function allTopics(names: TopicNames): string[] {
  return [...laneTopics(names), names.deadLetters, names.cancels, names.facts, names.unreadable];
}

/** The partition of everything with this key. */
export function partitionOf(key: string, partitions: number): number {
  return crc32(key) % partitions;
}
