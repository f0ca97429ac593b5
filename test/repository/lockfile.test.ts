/** A lockfile made on one platform must install on all: every optional platform package is in it, and nothing says where it came from. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

interface LockedPackage {
  version?: string;
  resolved?: string;
  link?: boolean;
  optionalDependencies?: Record<string, string>;
}

const lock = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8'));
const packages = new Map<string, LockedPackage>(Object.entries(lock.packages));

it('holds every optional package of every package', () => {
  const missing = [...packages].flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter((name) => !packages.has(`node_modules/${name}`) && !packages.has(`${path}/node_modules/${name}`))
      .map((name) => `${path} → ${name}`),
  );
  expect(missing, 'make the lockfile anew from the package.json files alone, in an empty folder').toEqual([]);
});

it('names no download address', () => {
  expect([...packages].filter(([, { resolved, link }]) => resolved?.includes('://') && !link)).toEqual([]);
});

it('pins every direct dependency exactly', () => {
  const workspaces = [...packages.keys()].filter((path) => !path.includes('node_modules'));
  expect(workspaces.length).toBeGreaterThan(5);
  for (const path of workspaces) {
    const manifest = JSON.parse(
      readFileSync(new URL(`../../${path && `${path}/`}package.json`, import.meta.url), 'utf8'),
    );
    for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies }))
      expect(version, `${path}: ${name}`).toMatch(/^\d+\.\d+\.\d+$/);
  }
});
