/**
 * Ports that die at a chosen point of a worker's work: from then on no call is carried out and none is answered, as when the process is
 * killed there. What was carried out before stands.
 */
import type { ConsumeOptions, Delivery } from '@inkwell/ports';
import type { WorkerPorts } from '../context.ts';

export interface PortCall {
  /** `append`, `transition`, `ack`, … */
  name: string;
  arguments: readonly unknown[];
}

export interface CrashingPorts {
  ports: WorkerPorts;
  /** Resolves at the crash. */
  crashed: Promise<void>;
}

type Method = (...given: never[]) => Promise<unknown>;

/** @param dies asked before (`before`) and after a call was carried out; true = the process dies here */
export function crashingPorts(
  real: WorkerPorts,
  dies: (call: PortCall, moment: 'before' | 'after') => boolean,
): CrashingPorts {
  const crash = Promise.withResolvers<void>();
  let dead = false;
  const never = new Promise<never>(() => {});

  const check = (call: PortCall, moment: 'before' | 'after'): void => {
    if (dead || !dies(call, moment)) return;
    dead = true;
    crash.resolve();
  };
  const wrapMethod =
    (target: object, name: string, method: Method) =>
    async (...given: never[]): Promise<unknown> => {
      const call = { name, arguments: given };
      check(call, 'before');
      if (dead) return never;
      const answer = await method.apply(target, given);
      check(call, 'after');
      return dead ? never : answer;
    };
  const wrap = <T extends object>(target: T): T =>
    new Proxy(target, {
      get: (_, name) => {
        const value = Reflect.get(target, name) as unknown;
        return typeof value === 'function' ? wrapMethod(target, String(name), value as Method) : value;
      },
    });
  const consume = (options: ConsumeOptions): Promise<void> =>
    real.jobBus.consume({
      ...options,
      onDelivery: (delivery: Delivery) => {
        if (!dead) options.onDelivery(wrap(delivery));
      },
      onCancel: (key) => {
        if (!dead) options.onCancel(key);
      },
    });
  const jobBus = new Proxy(wrap(real.jobBus), {
    get: (target, name) => (name === 'consume' ? consume : Reflect.get(target, name)),
  });
  return {
    ports: {
      jobBus,
      jobStore: wrap(real.jobStore),
      jobSteps: wrap(real.jobSteps),
      resultStream: wrap(real.resultStream),
      lease: wrap(real.lease),
      factLog: wrap(real.factLog),
      rateLimiter: wrap(real.rateLimiter),
    },
    crashed: crash.promise,
  };
}
