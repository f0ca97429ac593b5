/**
 * Ends processes that an earlier start left behind because it was killed itself. Process numbers are used again by the system, so one is ended
 * only if its command line says that it is what the file calls it.
 */
import { execFileSync } from 'node:child_process';
import type { ClusterFile } from './cluster-file.ts';

/** What must stand in the command line of a process with this role. */
const marks: Readonly<Record<string, RegExp>> = {
  supervisor: /inkwell\/src\/main\.ts/,
  gateway: /gateway\/src\/main\.ts/,
  worker: /worker\/src\/main\.ts/,
  recorder: /recorder\/src\/main\.ts/,
  kafka: /kafka\.Kafka/,
  redis: /redis-server/,
  mongo: /MongoMain/,
};

function commandOf(pid: number): string {
  try {
    return execFileSync('ps', ['-o', 'command=', '-p', `${pid}`], { encoding: 'utf8', timeout: 5_000 });
  } catch {
    return '';
  }
}

/** Answers how many were ended. They are killed: whoever was to end them in order is gone, and nothing they hold is lost by it. */
export function endLeftovers({ processes }: ClusterFile): number {
  let ended = 0;
  for (const { role, pid } of processes) {
    if (pid === process.pid || !marks[role]?.test(commandOf(pid))) continue;
    try {
      process.kill(pid, 'SIGKILL');
      ended++;
    } catch {
      // It ended by itself meanwhile.
    }
  }
  return ended;
}
