/**
 * Closing in two steps. *Closing*: nothing new is taken and resumable streams end, so that their clients come back elsewhere. *Cut*: the grace
 * is over and what can't be resumed ends too. Also keeps the work that outlives its request, so that closing can wait for it.
 */
import { TurnoverSet } from '@inkwell/resilience';

export interface Lifecycle {
  readonly closing: boolean;
  /** Calls back when closing begins, at once if it has. Answers how to unsubscribe. */
  onClosing(listener: () => void): () => void;
  /** Calls back when the grace is over. */
  onCut(listener: () => void): () => void;
  /** Remembers work that nobody awaits; it must not reject. */
  background(work: Promise<void>): void;
  beginClosing(): void;
  cut(): void;
  /** Resolves when no background work is left. */
  settled(): Promise<void>;
}

function createSignal() {
  const listeners = new TurnoverSet<() => void>();
  let fired = false;
  return {
    get fired() {
      return fired;
    },
    on(listener: () => void): () => void {
      if (!fired) return listeners.add(listener);
      listener();
      return () => {};
    },
    fire(): void {
      if (fired) return;
      fired = true;
      for (const listener of listeners.values()) listener();
    },
  };
}

export function createLifecycle(): Lifecycle {
  const closing = createSignal();
  const cut = createSignal();
  const pending = new Set<Promise<void>>();
  return {
    get closing() {
      return closing.fired;
    },
    onClosing: closing.on,
    onCut: cut.on,
    background(work) {
      pending.add(work);
      void work.finally(() => pending.delete(work));
    },
    beginClosing: closing.fire,
    cut: cut.fire,
    async settled() {
      while (pending.size > 0) await Promise.all(pending);
    },
  };
}
