/**
 * The ports with a deadline on every call: a dependency that is slow or broken becomes a 503 `dependency_unavailable`, never a hang and never
 * a stack. `follow` and `consume` are long by nature and pass through.
 */
import { InkwellError } from '@inkwell/contracts';
import type { GatewayPorts } from './context.ts';

const unbounded = new Set<PropertyKey>(['follow', 'consume']);

function unavailable(name: string, cause: unknown): InkwellError {
  return new InkwellError('dependency_unavailable', {
    retryAfterSeconds: 1,
    cause: new Error(`${name} failed`, { cause }),
  });
}

/** Answers what the work answers, or rejects with `dependency_unavailable` after `timeoutMs`. */
async function withDeadline<T>(name: string, timeoutMs: number, work: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(unavailable(name, new Error(`no answer within ${timeoutMs} ms`))), timeoutMs);
  });
  try {
    return await Promise.race([work(), deadline]);
  } catch (error) {
    throw error instanceof InkwellError ? error : unavailable(name, error);
  } finally {
    clearTimeout(timer);
  }
}

function bound<T extends object>(portName: string, port: T, timeoutMs: number): T {
  return new Proxy(port, {
    get(target, property) {
      const member: unknown = Reflect.get(target, property, target);
      if (typeof member !== 'function') return member;
      if (unbounded.has(property)) return member.bind(target);
      return (...args: unknown[]) =>
        withDeadline(`${portName}.${String(property)}`, timeoutMs, async () => member.apply(target, args));
    },
  });
}

export function boundPorts(ports: GatewayPorts, timeoutMs: number): GatewayPorts {
  return {
    jobStore: bound('jobStore', ports.jobStore, timeoutMs),
    resultStream: bound('resultStream', ports.resultStream, timeoutMs),
    lease: bound('lease', ports.lease, timeoutMs),
    jobBus: bound('jobBus', ports.jobBus, timeoutMs),
    keyStore: bound('keyStore', ports.keyStore, timeoutMs),
    idempotencyStore: bound('idempotencyStore', ports.idempotencyStore, timeoutMs),
    workerRegistry: bound('workerRegistry', ports.workerRegistry, timeoutMs),
  };
}
