/** Processor time of other processes of this machine, from Linux' `/proc`: steadier than clocks where others work too. */
import { readFileSync } from 'node:fs';

/** Of `/proc/PID/stat`, a hundredth of a second on Linux. */
const tickMs = 10;

/** Milliseconds that the process has computed so far, in the kernel and outside. */
export function cpuTimeMs(pid: number): number {
  // Behind the name, which may hold anything, in parentheses.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * tickMs;
}

/** Resident memory in kB. */
export function residentKb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}
