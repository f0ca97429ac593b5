/** How far the groups are behind: messages written and not done with, per topic. */
import { committedOffsets, type Link, logOffsets, placeKey } from './link.ts';

export interface Lag {
  topic: string;
  group: string;
  /** Counted from the contiguous prefix that is finished, so one long job counts what ended behind it. */
  messages: number;
}

export async function lagOf(link: Link, group: string, topics: readonly string[], partitions: number): Promise<Lag[]> {
  const places = topics.flatMap((topic) =>
    Array.from({ length: partitions }, (_, partition) => ({ topic, partition })),
  );
  const [latest, earliest, committed] = await Promise.all([
    logOffsets(link, places, 'latest'),
    logOffsets(link, places, 'earliest'),
    committedOffsets(link, group, places),
  ]);
  const behind = ({ topic, partition }: { topic: string; partition: number }) => {
    const key = placeKey({ topic, partition });
    const done = Math.max(committed.get(key)?.offset ?? 0, earliest.get(key) ?? 0);
    return Math.max(0, (latest.get(key) ?? 0) - done);
  };
  return topics.map((topic) => ({
    topic,
    group,
    messages: places.filter((place) => place.topic === topic).reduce((sum, place) => sum + behind(place), 0),
  }));
}
