/** Announcements inside one process: heard before `announce` resolves, and no gap ever. */
import type { AnnouncementListener, Announcements } from '@inkwell/ports';

export function createAnnouncements(): Announcements {
  const topics = new Map<string, Set<AnnouncementListener>>();
  return {
    async announce(topic, payload) {
      for (const listener of [...(topics.get(topic) ?? [])]) listener.onAnnouncement(payload);
    },

    async listen(topic, { onAnnouncement, onGap }, signal) {
      if (signal.aborted) return;
      const listener = { onAnnouncement, onGap };
      const listeners = topics.get(topic) ?? new Set();
      topics.set(topic, listeners.add(listener));
      const leave = () => {
        listeners.delete(listener);
        if (listeners.size === 0 && topics.get(topic) === listeners) topics.delete(topic);
      };
      signal.addEventListener('abort', leave, { once: true });
    },
  };
}
