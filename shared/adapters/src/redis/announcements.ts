/** Announcements over Redis pub/sub, which keeps nothing: what was announced while a connection was down is a gap, and listeners are told so. */
import type { Announcements } from '@inkwell/ports';
import type { ChannelListener, Channels } from './channels.ts';
import type { RedisConnection } from './connection.ts';
import type { Keyspace } from './keyspace.ts';

export function createAnnouncements(connection: RedisConnection, channels: Channels, keys: Keyspace): Announcements {
  return {
    async announce(topic, payload) {
      await connection.call((redis) => redis.publish(keys.topic(topic), payload));
    },

    async listen(topic, { onAnnouncement, onGap }, signal) {
      if (signal.aborted) return;
      const listener: ChannelListener = { onMessage: onAnnouncement, onAgain: onGap };
      const channel = keys.topic(topic);
      signal.addEventListener('abort', () => channels.leave(channel, listener), { once: true });
      await channels.listen(channel, listener);
    },
  };
}
