/**
 * The ports as the gateway uses them: each belongs to a dependency, and every call goes through that dependency's circuit breaker. What is
 * slow or broken becomes a 503 `dependency_unavailable`, never a hang and never a stack, and what is known to be down is not asked at all.
 * `follow`, `subscribe` and `awaitEnd` are long by nature: they have no deadline, but end when their dependency stays away.
 */
import { type Breaker, type BreakerListener, createBreaker } from '@inkwell/resilience';
import type { GatewayConfig } from './config.ts';
import type { GatewayPorts } from './context.ts';
import { guardedAwaitEnd, guardedFollow } from './guarded-follow.ts';
import { guardedSubscribe } from './guarded-subscribe.ts';

export interface DependencyPlan {
  /** For metrics, logs and readiness. */
  name: string;
  ports: readonly (keyof GatewayPorts)[];
  /** Whether no request can be served without it (default). Readiness is unavailable while such a one is down. */
  essential?: boolean;
  /** A cheap call, made twice a second, that fails while the dependency is away. Without one only requests find out. */
  pulse?: (ports: GatewayPorts) => Promise<unknown>;
}

export interface Dependency {
  readonly essential: boolean;
  readonly ports: readonly (keyof GatewayPorts)[];
  readonly breaker: Breaker;
}

export type Bounds = Pick<GatewayConfig, 'dependencyTimeoutMs' | 'dependencyRestMs' | 'pulseMs' | 'requestBudgetMs'>;

const everyPort: Record<keyof GatewayPorts, true> = {
  jobStore: true,
  jobSteps: true,
  resultStream: true,
  lease: true,
  jobBus: true,
  keyStore: true,
  idempotencyStore: true,
  workerRegistry: true,
  userStore: true,
  sessionStore: true,
  revocationStore: true,
  attemptStore: true,
  announcements: true,
  factLog: true,
  auditLog: true,
  usageLedger: true,
  rateLimiter: true,
};

/** @throws Error when a port belongs to no dependency or to several */
export function boundPorts(
  ports: GatewayPorts,
  plans: readonly DependencyPlan[],
  bounds: Bounds,
  listener: BreakerListener,
): { ports: GatewayPorts; dependencies: Dependency[] } {
  const owned = plans.flatMap((plan) => plan.ports);
  for (const name of Object.keys(everyPort)) {
    const owners = owned.filter((one) => one === name).length;
    if (owners !== 1) throw new Error(`the port ${name} belongs to ${owners} dependencies instead of one`);
  }
  const bounded: Partial<GatewayPorts> = {};
  const dependencies = plans.map(({ name, ports: names, essential = true, pulse }) => {
    const breaker = createBreaker({
      dependency: name,
      timeoutMs: bounds.dependencyTimeoutMs,
      restMs: bounds.dependencyRestMs,
      pulse: pulse && (() => pulse(ports)),
      pulseMs: bounds.pulseMs,
      listener,
    });
    for (const port of names) Object.assign(bounded, { [port]: bound(port, ports[port], breaker, bounds) });
    return { essential, ports: names, breaker };
  });
  return { ports: bounded as GatewayPorts, dependencies };
}

type Method = (...given: never[]) => Promise<unknown>;

function bound<T extends object>(portName: string, port: T, breaker: Breaker, bounds: Bounds): T {
  const wrapped = new Map<PropertyKey, { method: unknown; bounded: unknown }>();
  const wrap = (property: PropertyKey, method: Method) => {
    if (property === 'follow') return guardedFollow(method.bind(port) as never, breaker, bounds.requestBudgetMs);
    if (property === 'awaitEnd') return guardedAwaitEnd(method.bind(port) as never, breaker, bounds.requestBudgetMs);
    if (property === 'subscribe') return guardedSubscribe(method.bind(port) as never, breaker, bounds.requestBudgetMs);
    // A consumer is no caller; the gateway has none.
    if (property === 'consume') return method.bind(port);
    const what = `${portName}.${String(property)}`;
    return (...given: never[]) => breaker.run(what, () => method.apply(port, given));
  };
  return new Proxy(port, {
    get(target, property) {
      const method: unknown = Reflect.get(target, property, target);
      if (typeof method !== 'function') return method;
      let known = wrapped.get(property);
      if (known?.method !== method) {
        known = { method, bounded: wrap(property, method as Method) };
        wrapped.set(property, known);
      }
      return known.bounded;
    },
  });
}
