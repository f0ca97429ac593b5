/** The last messages of one partition, newest first: a bounded look at the end of a log. */
import type { KafkaMessage } from 'kafkajs';
import { type Link, logOffsets, type Place, placeKey } from './link.ts';

const maxBytes = 4_194_304;
const longPollMs = 500;

export async function readTail(link: Link, place: Place, count: number): Promise<KafkaMessage[]> {
  const [earliest, latest] = await Promise.all([
    logOffsets(link, [place], 'earliest'),
    logOffsets(link, [place], 'latest'),
  ]);
  const end = latest.get(placeKey(place)) ?? 0;
  let next = Math.max(earliest.get(placeKey(place)) ?? 0, end - count);
  const found: KafkaMessage[] = [];
  while (next < end) {
    const messages = await fetchFrom(link, place, next);
    const fresh = messages.filter(({ offset }) => Number(offset) >= next && Number(offset) < end);
    const last = fresh.at(-1);
    if (last === undefined) break;
    for (const message of fresh) found.push(message);
    next = Number(last.offset) + 1;
  }
  return found.reverse();
}

async function fetchFrom(link: Link, { topic, partition }: Place, offset: number): Promise<KafkaMessage[]> {
  const partitions = [{ partition, fetchOffset: `${offset}`, maxBytes }];
  const { responses } = await link.ask(async (cluster) => {
    const [nodeId = '-1'] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]));
    const broker = await cluster.findBroker({ nodeId });
    return broker.fetch({
      maxWaitTime: longPollMs,
      minBytes: 1,
      maxBytes,
      isolationLevel: 0,
      topics: [{ topic, partitions }],
    });
  });
  return (responses as { partitions: { messages: KafkaMessage[] }[] }[]).flatMap(({ partitions: of }) =>
    of.flatMap(({ messages }) => messages),
  );
}
