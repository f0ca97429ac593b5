/**
 * How long a wrong password makes the next try wait. Counted per account and address, so that a stranger can only slow down himself, and per
 * address over all accounts, so that one list of passwords tried on many accounts slows down as well. Names need not exist to be counted.
 */
import { createHash } from 'node:crypto';
import type { AttemptRule, AttemptStore } from '@inkwell/ports';

const quarterHourMs = 900_000;

/** `free` tries without a wait, then 1 s, 2 s, 4 s … 15 min. */
function growing(free: number): AttemptRule {
  const delaysMs: number[] = Array<number>(free - 1).fill(0);
  for (let delayMs = 1000; delayMs < quarterHourMs; delayMs *= 2) delaysMs.push(delayMs);
  return { delaysMs: [...delaysMs, quarterHourMs], forgetMs: 4 * quarterHourMs };
}

const perAccountAndAddress = growing(5);
const perAddress = growing(200);

/** What addresses are counted by: IPv6 networks are handed out whole, so those of one /64 count as one. */
export function addressGroup(ip: string): string {
  if (!ip.includes(':') || ip.includes('.')) return ip;
  const [head = '', tail] = ip.split('::');
  const groups = head.split(':').filter(Boolean);
  const tailGroups = (tail ?? '').split(':').filter(Boolean);
  const zeros = tail === undefined ? 0 : 8 - groups.length - tailGroups.length;
  return [...groups, ...Array<string>(Math.max(0, zeros)).fill('0'), ...tailGroups].slice(0, 4).join(':');
}

/** Hashed: the store need not know names or addresses. */
const subjectOf = (...parts: string[]): string => createHash('sha256').update(JSON.stringify(parts)).digest('hex');

export class SignInBackoff {
  readonly #store: AttemptStore;

  constructor(store: AttemptStore) {
    this.#store = store;
  }

  /** Counts a try before it is made. */
  async begin(account: string, ip: string, now: number): Promise<'allowed' | { retryAfterMs: number }> {
    const address = addressGroup(ip);
    const ofAccount = await this.#store.begin(subjectOf('account', account, address), now, perAccountAndAddress);
    if (ofAccount !== 'allowed') return ofAccount;
    return this.#store.begin(subjectOf('address', address), now, perAddress);
  }

  /** The password was right: forgets the tries on this account. */
  succeeded(account: string, ip: string): Promise<void> {
    return this.#store.clear(subjectOf('account', account, addressGroup(ip)));
  }
}
