/**
 * Who of a group reads what. Partition i of all topics of a group is one *lane* and belongs to one member, so that everything about a key is
 * in one hand. Members keep the lanes they have as far as that is fair; a rebalance moves as few as it can.
 */
import { AssignerProtocol } from 'kafkajs';

export const assignerName = 'inkwell-lanes';

export interface LaneClaim {
  memberId: string;
  /** Lanes it had in its last generation. */
  lanes: readonly number[];
  generation: number;
}

/** Every lane to exactly one member, the numbers differing by one at most. Claims of a later generation go first. Pure. */
export function assignLanes(laneCount: number, claims: readonly LaneClaim[]): Map<string, number[]> {
  const members = claims.toSorted((a, b) => b.generation - a.generation || (a.memberId < b.memberId ? -1 : 1));
  const least = Math.floor(laneCount / members.length);
  let withOneMore = laneCount % members.length;
  const taken = new Set<number>();
  const assigned = new Map<string, number[]>();
  for (const { memberId, lanes } of members) {
    const kept = [...new Set(lanes)].filter((lane) => lane >= 0 && lane < laneCount && !taken.has(lane));
    const share = kept.length > least && withOneMore > 0 ? least + 1 : least;
    if (share > least) withOneMore--;
    const own = kept.slice(0, share);
    for (const lane of own) taken.add(lane);
    assigned.set(memberId, own);
  }
  const free = Array.from({ length: laneCount }, (_, lane) => lane).filter((lane) => !taken.has(lane));
  for (const own of assigned.values()) while (own.length < least) own.push(free.shift()!);
  for (const own of assigned.values()) if (own.length === least && free.length > 0) own.push(free.shift()!);
  for (const own of assigned.values()) own.sort((a, b) => a - b);
  return assigned;
}

export function encodeClaim(topics: readonly string[], lanes: readonly number[], generation: number): Buffer {
  const userData = Buffer.from(JSON.stringify({ lanes, generation }));
  return AssignerProtocol.MemberMetadata.encode({ version: 0, topics: [...topics], userData });
}

/** A claim nobody can read counts as none. */
export function decodeClaim(memberId: string, metadata: Buffer): LaneClaim {
  try {
    const read = AssignerProtocol.MemberMetadata.decode(metadata);
    const { lanes, generation } = JSON.parse(String(read?.userData)) as { lanes: number[]; generation: number };
    if (!Array.isArray(lanes) || !Number.isInteger(generation)) throw new TypeError('not a claim');
    return { memberId, lanes, generation };
  } catch {
    return { memberId, lanes: [], generation: -1 };
  }
}

export function encodeAssignment(topics: readonly string[], lanes: number[]): Buffer {
  const assignment = Object.fromEntries(topics.map((topic) => [topic, lanes]));
  return AssignerProtocol.MemberAssignment.encode({ version: 0, assignment, userData: Buffer.alloc(0) });
}

export function decodeAssignment(topic: string, bytes: Buffer): number[] {
  return AssignerProtocol.MemberAssignment.decode(bytes)?.assignment[topic] ?? [];
}
