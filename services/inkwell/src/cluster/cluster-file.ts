/**
 * `cluster.json` in the data directory: what runs now, for people, scripts and the commands that speak to a running cluster. Written anew,
 * whole, at every change. After a start that did not end in order it says which processes may be left over.
 */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const clusterFileSchema = z.object({
  /** URLs. */
  gateways: z.array(z.string()),
  processes: z.array(z.looseObject({ role: z.string(), pid: z.int().positive() })),
  /** Path of the socket that takes commands. */
  control: z.string(),
});

export type ClusterFile = z.infer<typeof clusterFileSchema>;

const pathIn = (directory: string) => join(directory, 'cluster.json');

/** Undefined when there is none, or what is there isn't one. */
export function readClusterFile(directory: string): ClusterFile | undefined {
  const path = pathIn(directory);
  if (!existsSync(path)) return undefined;
  try {
    return clusterFileSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return undefined;
  }
}

export function writeClusterFile(directory: string, content: ClusterFile): void {
  const path = pathIn(directory);
  writeFileSync(`${path}.new`, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

export function removeClusterFile(directory: string): void {
  rmSync(pathIn(directory), { force: true });
}
