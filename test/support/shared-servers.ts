/**
 * One Kafka, one Redis and one Mongo-wire server for all clusters of a test run, unless the environment names some: starting them anew for each
 * file would take most of the time. Each cluster has a namespace of its own on them.
 */
import { startKafka } from '../../infra/services/kafka.ts';
import { startMongo } from '../../infra/services/mongo.ts';
import { startRedis } from '../../infra/services/redis.ts';

/** Called by the test runner before the first test of a cluster; answers what to do after the last. */
export async function setup(): Promise<() => Promise<void>> {
  const [kafka, redis, mongo] = await Promise.all([startKafka(), startRedis(), startMongo()]);
  process.env.KAFKA_BROKERS = kafka.url;
  process.env.REDIS_URL = redis.url;
  process.env.MONGO_URL = mongo.url;
  return async () => void (await Promise.all([kafka.stop(), redis.stop(), mongo.stop()]));
}
