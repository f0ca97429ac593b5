/**
 * A Map for what comes and goes for as long as a process lives: what was deleted is garbage at once, which a Map of V8 does not promise. When one
 * grows or is tidied up, its old table keeps its entries and points to the new one. If a table has lived long enough to be among V8's old objects, it
 * is collected by a full collection only, and until then keeps alive, one behind the other, all tables that follow, with everything that stood in
 * them: in a process that works, nearly every job it ever had. So values stand in boxes, which are emptied; keys should be small.
 */
interface Box<Value> {
  value: Value | undefined;
}

export class TurnoverMap<Key extends string | number, Value> {
  readonly #boxes = new Map<Key, Box<Value>>();

  get size(): number {
    return this.#boxes.size;
  }

  has(key: Key): boolean {
    return this.#boxes.has(key);
  }

  get(key: Key): Value | undefined {
    return this.#boxes.get(key)?.value;
  }

  set(key: Key, value: Value): void {
    const box = this.#boxes.get(key);
    if (box === undefined) this.#boxes.set(key, { value });
    else box.value = value;
  }

  /** False if there was nothing. */
  delete(key: Key): boolean {
    const box = this.#boxes.get(key);
    if (box === undefined) return false;
    box.value = undefined;
    return this.#boxes.delete(key);
  }

  /** In the order in which their keys came. Entries may be deleted meanwhile. */
  *values(): Generator<Value, void> {
    for (const box of this.#boxes.values()) yield box.value as Value;
  }
}
