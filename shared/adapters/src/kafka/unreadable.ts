/** The dead letters of bytes: messages nobody could read, kept as they came with where they stood and why they couldn't be read. */
import type { Link } from './link.ts';
import { readTail } from './tail.ts';

export interface UnreadableMessage {
  /** Where it stood. */
  topic: string;
  partition: number;
  offset: number;
  key: Buffer | null;
  value: Buffer | null;
  reason: string;
  /** Unix milliseconds at which it was put aside. */
  at: number;
}

export async function listUnreadable(link: Link, topic: string, limit: number): Promise<UnreadableMessage[]> {
  const messages = await readTail(link, { topic, partition: 0 }, limit);
  return messages.map(({ key, value, headers = {} }) => ({
    topic: String(headers.topic),
    partition: Number(headers.partition),
    offset: Number(headers.offset),
    key,
    value,
    reason: String(headers.reason),
    at: Number(headers.at),
  }));
}
