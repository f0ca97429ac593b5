/** What must be there before a cluster's processes start: the topics in Kafka. Indexes in MongoDB are made by who opens it. */
import { topicPrefixOf } from '@inkwell/adapters/cluster';
import { type KafkaServers, migrateTopics } from '@inkwell/adapters/kafka';

/** Idempotent. Throws an Error for people. */
export async function migrate(servers: KafkaServers, namespace: string): Promise<void> {
  await migrateTopics({ ...servers, topicPrefix: topicPrefixOf(namespace) });
}
