/**
 * Short words to every process that listens: forget this key, this token is revoked. Promises: whoever listens when `announce` resolves hears
 * it at once (a cluster adapter: well within 250 ms), at least once, what one process announced on a topic in that order; a listener that
 * was cut off is told that it may have missed something. Not promised: that anything is kept for those who come later. What matters
 * must also stand in a store, which a listener reads again after a gap.
 */
export interface AnnouncementListener {
  /** Must not throw. May hear the same twice. */
  onAnnouncement(payload: string): void;
  /** Listening again after a loss; what was announced meanwhile was missed. Must not throw. */
  onGap(): void;
}

export interface Announcements {
  /** Resolves once it is on its way to all listeners; a rejected call may still have been heard. */
  announce(topic: string, payload: string): Promise<void>;
  /** Resolves once nothing announced from now on is missed; goes on until the signal aborts. */
  listen(topic: string, listener: AnnouncementListener, signal: AbortSignal): Promise<void>;
}
