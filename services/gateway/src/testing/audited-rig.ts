/** A gateway with its recorder beside it, asked act by act: what the audit log holds of one request, once all of it is there. */
import { setTimeout as delay } from 'node:timers/promises';
import type { AuditEntry, Fact } from '@inkwell/contracts';
import { createLog, createMetrics } from '@inkwell/observability';
import { systemClock } from '@inkwell/ports';
import { createRecorder } from '@inkwell/recorder';
import { type Rig, type RigOptions, startRig } from './rig.ts';

export interface AuditedRig extends Rig {
  /** Every fact told so far, in order. */
  told: Fact[];
  /**
   * The entries of the request with this id. What a request tells is durable or on its way when it is answered, so an event told
   * afterwards shows that all before it are in the log.
   */
  entriesOf(requestId: string): Promise<AuditEntry[]>;
}

export async function startAuditedRig(options: RigOptions = {}): Promise<AuditedRig> {
  const told: Fact[] = [];
  const rig = await startRig({
    ...options,
    wrapPorts: (ports) => ({
      ...(options.wrapPorts?.(ports) ?? ports),
      factLog: {
        ...ports.factLog,
        publish: async (fact) => {
          told.push(fact);
          await ports.factLog.publish(fact);
        },
      },
    }),
  });
  const log = createLog({ level: 'silent', name: 'test' });
  const recorder = createRecorder({ ...rig.ports, log, metrics: createMetrics(), clock: systemClock });
  await recorder.start();
  let marks = 0;

  async function all(): Promise<AuditEntry[]> {
    return rig.ports.auditLog.read({}, { afterSeq: 0, limit: 100_000 });
  }

  async function mark(): Promise<void> {
    const id = `mark-${++marks}`;
    await rig.request('/v1/models', { key: null, headers: { 'x-request-id': id } });
    while (!(await all()).some(({ requestId }) => requestId === id)) await delay(5);
  }

  return {
    ...rig,
    told,
    async entriesOf(requestId) {
      await mark();
      return (await all()).filter((entry) => entry.requestId === requestId);
    },
    async close() {
      await recorder.stop(1_000);
      await rig.close();
    },
  };
}
