/** Which port belongs to which dependency, in each edition. A pulse must be cheap, and must fail when the dependency is away. */
import type { DependencyPlan } from './bounded-ports.ts';

const inRedis = [
  'jobStore',
  'jobSteps',
  'resultStream',
  'lease',
  'idempotencyStore',
  'workerRegistry',
  'announcements',
  'rateLimiter',
] as const;
const inMongo = [
  'keyStore',
  'userStore',
  'sessionStore',
  'revocationStore',
  'attemptStore',
  'auditLog',
  'usageLedger',
] as const;

/** One local store behind all ports. */
export const embeddedDependencies: readonly DependencyPlan[] = [
  { name: 'store', ports: [...inRedis, ...inMongo, 'jobBus', 'factLog'], pulse: ({ jobStore }) => jobStore.counts() },
];

/** Without Kafka nothing new is taken, but results, streams and cancels go on; what must be recorded before it is done is refused. */
export const clusterDependencies: readonly DependencyPlan[] = [
  { name: 'redis', ports: inRedis, pulse: ({ jobStore }) => jobStore.counts() },
  { name: 'kafka', ports: ['jobBus', 'factLog'], essential: false, pulse: ({ jobBus }) => jobBus.ping() },
  { name: 'mongo', ports: inMongo, pulse: ({ keyStore }) => keyStore.findByHash('nobody') },
];
