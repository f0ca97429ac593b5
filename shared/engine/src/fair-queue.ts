/**
 * What waits, in the order in which it should run: strict priority between classes and, inside a class, deficit round-robin over tenants by
 * token cost (Shreedhar and Varghese, "Efficient Fair Queuing using Deficit Round Robin", SIGCOMM 1995, section 3). Guarantees first in,
 * first out per tenant, no starvation inside a class, and that an idle tenant saves no credit. Push and remove are O(1); so is taking when
 * no job costs more than a quantum, else at most two passes over the waiting tenants. Leaves deadlines and capacity to its caller.
 */
import { type Priority, priorities } from '@inkwell/contracts/job';

export interface FairItem<T> {
  /** Unique in the queue. */
  readonly key: string;
  readonly tenant: string;
  readonly priority: Priority;
  /** Positive. */
  readonly costTokens: number;
  readonly value: T;
}

interface Node<T> {
  readonly item: FairItem<T>;
  readonly tenant: Tenant<T>;
  previous: Node<T> | null;
  next: Node<T> | null;
}

/** A tenant with waiting jobs, a member of its class's ring. */
class Tenant<T> {
  readonly name: string;
  readonly group: PriorityClass<T>;
  first: Node<T> | null = null;
  last: Node<T> | null = null;
  /** Tokens it may still take in this turn. */
  deficit = 0;
  left: Tenant<T> = this;
  right: Tenant<T> = this;

  constructor(name: string, group: PriorityClass<T>) {
    this.name = name;
    this.group = group;
  }
}

interface PriorityClass<T> {
  readonly tenants: Map<string, Tenant<T>>;
  /** Whose turn it is; null when the class is empty. */
  turn: Tenant<T> | null;
  size: number;
}

export class FairQueue<T> {
  readonly #quantumTokens: number;
  readonly #classes: Record<Priority, PriorityClass<T>>;
  readonly #nodes = new Map<string, Node<T>>();

  /** @param quantumTokens what a tenant may take per turn; about the cost of a typical large job */
  constructor(quantumTokens: number) {
    if (!(quantumTokens > 0)) throw new RangeError(`quantumTokens must be positive, got ${quantumTokens}`);
    this.#quantumTokens = quantumTokens;
    const empty = (): PriorityClass<T> => ({ tenants: new Map(), turn: null, size: 0 });
    this.#classes = { interactive: empty(), standard: empty(), batch: empty() };
  }

  get size(): number {
    return this.#nodes.size;
  }

  sizeOf(priority: Priority): number {
    return this.#classes[priority].size;
  }

  has(key: string): boolean {
    return this.#nodes.has(key);
  }

  get(key: string): T | undefined {
    return this.#nodes.get(key)?.item.value;
  }

  /** False, and nothing happens, when the key already waits. */
  push(item: FairItem<T>): boolean {
    if (this.#nodes.has(item.key)) return false;
    if (!(item.costTokens > 0)) throw new RangeError(`costTokens must be positive, got ${item.costTokens}`);
    const group = this.#classes[item.priority];
    const tenant = group.tenants.get(item.tenant) ?? this.#enter(group, item.tenant);
    const node: Node<T> = { item, tenant, previous: tenant.last, next: null };
    if (tenant.last === null) tenant.first = node;
    else tenant.last.next = node;
    tenant.last = node;
    group.size++;
    this.#nodes.set(item.key, node);
    return true;
  }

  /** What runs next. Asking again without a change answers the same. */
  peek(): FairItem<T> | undefined {
    for (const priority of priorities) {
      const group = this.#classes[priority];
      if (group.turn !== null) return this.#pick(group, group.turn).item;
    }
    return undefined;
  }

  /** Removes and answers what `peek` shows, on its tenant's account. */
  take(): FairItem<T> | undefined {
    const item = this.peek();
    if (item === undefined) return undefined;
    const node = this.#nodes.get(item.key)!;
    node.tenant.deficit -= item.costTokens;
    this.#unlink(node);
    return item;
  }

  /** Takes a job out wherever it stands, on nobody's account. */
  remove(key: string): T | undefined {
    const node = this.#nodes.get(key);
    if (node === undefined) return undefined;
    // Credit saved up for a costly job must not be spent on others once that job is gone.
    if (node === node.tenant.first) node.tenant.deficit = Math.min(node.tenant.deficit, this.#quantumTokens);
    this.#unlink(node);
    return node.item.value;
  }

  /** Moves the turn on until its tenant can pay for its first job. */
  #pick(group: PriorityClass<T>, start: Tenant<T>): Node<T> {
    let tenant = start;
    for (let visited = 0; tenant.deficit < tenant.first!.item.costTokens; visited++) {
      if (visited === group.tenants.size) {
        this.#skipFruitlessRounds(group);
        visited = 0;
      }
      tenant = tenant.right;
      tenant.deficit += this.#quantumTokens;
    }
    group.turn = tenant;
    return tenant.first!;
  }

  /** Credits at once all the whole rounds in which nobody could pay; the round that follows serves somebody. */
  #skipFruitlessRounds(group: PriorityClass<T>): void {
    let rounds = Number.POSITIVE_INFINITY;
    for (const tenant of group.tenants.values()) {
      const missing = tenant.first!.item.costTokens - tenant.deficit;
      rounds = Math.min(rounds, Math.ceil(missing / this.#quantumTokens) - 1);
    }
    if (rounds <= 0) return;
    for (const tenant of group.tenants.values()) tenant.deficit += rounds * this.#quantumTokens;
  }

  /** A tenant that was idle joins the ring behind the one whose turn is last to come, without credit. */
  #enter(group: PriorityClass<T>, name: string): Tenant<T> {
    const tenant = new Tenant(name, group);
    const turn = group.turn;
    if (turn === null) {
      tenant.deficit = this.#quantumTokens;
      group.turn = tenant;
    } else {
      tenant.left = turn.left;
      tenant.right = turn;
      turn.left.right = tenant;
      turn.left = tenant;
    }
    group.tenants.set(name, tenant);
    return tenant;
  }

  #unlink(node: Node<T>): void {
    const tenant = node.tenant;
    if (node.previous === null) tenant.first = node.next;
    else node.previous.next = node.next;
    if (node.next === null) tenant.last = node.previous;
    else node.next.previous = node.previous;
    tenant.group.size--;
    this.#nodes.delete(node.item.key);
    if (tenant.first === null) this.#leave(tenant);
  }

  #leave(tenant: Tenant<T>): void {
    const group = tenant.group;
    group.tenants.delete(tenant.name);
    if (tenant.right === tenant) {
      group.turn = null;
      return;
    }
    tenant.left.right = tenant.right;
    tenant.right.left = tenant.left;
    if (group.turn === tenant) {
      group.turn = tenant.right;
      group.turn.deficit += this.#quantumTokens;
    }
  }
}
