/**
 * The process's Prometheus metrics. Names and buckets of the inference metrics follow vLLM's, under the prefix `inkwell_`, so that existing
 * dashboards need only the prefix changed. Rooms receive a `Metrics` and observe; nobody keeps a registry of their own.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

const latencyBuckets = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80,
];
const tokenBuckets = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 4096];

/**
 * Milliseconds between two looks at the event loop's lag, which the quantiles of that lag include. The default of 10 wakes an idle process a
 * hundred times a second, for three quarters of all it computes.
 */
const eventLoopMonitoringPrecision = 100;

/** A gauge of something that changes far more often than it is looked at: its value is asked for when the metrics are. */
class SampledGauge extends Gauge {
  #sample: ((gauge: Gauge) => void) | undefined;

  /** @param sample sets the gauge; replaces the one before */
  sampled(sample: (gauge: Gauge) => void): void {
    this.#sample = sample;
  }

  collect(): void {
    this.#sample?.(this);
  }
}

export type Metrics = ReturnType<typeof createMetrics>;

export function createMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'inkwell_', eventLoopMonitoringPrecision });
  const registers = [registry];
  const histogram = (name: string, help: string, buckets: number[], labelNames: string[] = []) =>
    new Histogram({ name: `inkwell_${name}`, help, buckets, labelNames, registers });
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ name: `inkwell_${name}`, help, labelNames, registers });
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name: `inkwell_${name}`, help, labelNames, registers });
  const sampled = (name: string, help: string) => new SampledGauge({ name: `inkwell_${name}`, help, registers });
  return {
    registry,
    httpRequests: counter('http_requests_total', 'HTTP requests answered.', ['method', 'route', 'status']),
    httpDuration: histogram('http_request_duration_seconds', 'Time to the end of the answer.', latencyBuckets, [
      'method',
      'route',
    ]),
    errors: counter('errors_total', 'Errors answered, by code.', ['code']),
    breakerState: gauge('breaker_state', 'Circuit breaker of a dependency: 0 closed, 1 half open, 2 open.', [
      'dependency',
    ]),
    dependencyRefusals: counter('dependency_refusals_total', 'Calls to a dependency that got no answer, by why.', [
      'dependency',
      'reason',
    ]),
    responseCache: counter('response_cache_requests_total', 'Requests that welcomed a kept answer, by outcome.', [
      'outcome',
    ]),
    policyViolations: counter('content_policy_violations_total', 'Prompts refused and texts ended, by rule.', [
      'direction',
      'rule',
    ]),
    rateLimited: counter('rate_limited_total', 'Requests refused by a limit.', ['unit', 'window']),
    rateLimiterFallback: gauge(
      'rate_limiter_fallback',
      '1 while limits hold per gateway, since the shared counters are away.',
    ),
    openStreams: gauge('open_streams', 'SSE streams open now.'),
    jobsAccepted: counter('jobs_accepted_total', 'Jobs made durable.', ['priority']),
    jobsFinished: counter('request_success_total', 'Jobs that reached a terminal state.', ['state']),
    queued: gauge('num_requests_waiting', 'Jobs waiting.', ['priority']),
    consumerLag: gauge('consumer_lag_messages', 'Messages in Kafka the workers are not done with.', ['topic']),
    rebalances: gauge(
      'bus_rebalances',
      'Times the queue was dealt out anew to this worker and its fellows since its start.',
    ),
    running: sampled('num_requests_running', 'Jobs in the engine.'),
    kvCacheUsage: sampled('kv_cache_usage_perc', 'KV blocks in use, 0 to 1.'),
    promptTokens: counter('prompt_tokens_total', 'Prompt tokens processed.'),
    generationTokens: counter('generation_tokens_total', 'Tokens generated.'),
    promptTokensPerRequest: histogram('request_prompt_tokens', 'Prompt tokens per job.', tokenBuckets),
    generationTokensPerRequest: histogram('request_generation_tokens', 'Generated tokens per job.', tokenBuckets),
    queueTime: histogram('request_queue_time_seconds', 'Acceptance to start.', latencyBuckets),
    timeToFirstToken: histogram('time_to_first_token_seconds', 'Acceptance to first token.', latencyBuckets),
    interTokenLatency: histogram('inter_token_latency_seconds', 'Time between tokens of a sequence.', latencyBuckets),
    e2eLatency: histogram('e2e_request_latency_seconds', 'Acceptance to terminal event.', latencyBuckets),
    stepDuration: histogram('engine_step_duration_seconds', 'One engine step.', latencyBuckets),
    engineRestarts: counter('engine_restarts_total', 'Engine processes started again after a crash.'),
    deadLetters: counter('dead_letters_total', 'Jobs given up on.'),
    factsProjected: counter('facts_projected_total', 'Facts taken into audit, usage and history.', ['kind']),
    factsUnreadable: counter('facts_unreadable_total', 'Facts passed by because their body fits no schema.', ['kind']),
    projectionFailures: counter('projection_failures_total', 'Writes of facts that failed and were tried again.', [
      'projection',
    ]),
    webhooks: counter('webhooks_total', 'Tries to deliver a webhook, by what became of it.', ['outcome']),
    projectionLag: gauge('projection_lag_seconds', 'Age of the newest fact when it was taken in.'),
    auditEntries: gauge('audit_entries', 'Number of the newest audit entry.'),
    staleWrites: counter('stale_writes_total', 'Writes refused because a newer fence exists.'),
  };
}
