/**
 * Provides the peers that we compare with, under `.services/peers` (not committed): llama.cpp built from the Python package's sources, ONNX
 * Runtime from npm, and their models made from the same weights. Needs Python 3, a C++ compiler and CMake; done once.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const here = fileURLToPath(new URL('.', import.meta.url));
const root = fileURLToPath(new URL('../../../.services/peers', import.meta.url));
const onnxRuntimeVersion = '1.30.0';
/** Compiling llama.cpp on two busy cores. */
const installTimeoutMs = 3_600_000;

export interface Peers {
  readonly python: string;
  /** For PEER_MODULES: where onnxruntime-node lies. */
  readonly nodeModules: string;
  /** Holds q8_0.gguf, q4_0.gguf and int8.onnx. */
  readonly models: string;
}

const run = (file: string, args: string[], env: Record<string, string> = {}) =>
  promisify(execFile)(file, args, {
    timeout: installTimeoutMs,
    maxBuffer: 2 ** 28,
    env: { ...process.env, ...env },
  }).catch((error: Error & { stderr?: string }) => {
    throw new Error(`peers: ${file} ${args.join(' ')} failed:\n${error.stderr?.slice(-2000) ?? error.message}`);
  });

/** Runs `make` unless it ran to its end before with the same inputs. */
async function once(name: string, inputs: string, make: () => Promise<unknown>): Promise<void> {
  const stamp = join(root, `${name}.stamp`);
  const wanted = createHash('sha256').update(inputs).digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  await make();
  writeFileSync(stamp, wanted);
}

/** @param model directory of the weights, f32 */
export async function installPeers(model: string, progress: (text: string) => void): Promise<Peers> {
  mkdirSync(root, { recursive: true });
  const [venv, node, models] = [join(root, 'venv'), join(root, 'node'), join(root, 'models')];
  const python = join(venv, 'bin', 'python');
  const requirements = join(here, 'requirements.txt');
  const makeModels = join(here, 'make_models.py');
  await once('venv', readFileSync(requirements, 'utf8'), async () => {
    progress('peers: installing Python packages, compiling llama.cpp (minutes, once)');
    rmSync(venv, { recursive: true, force: true });
    await run('python3', ['-m', 'venv', venv]);
    // The peers at their best: compiled for this processor.
    const flags = '-DGGML_NATIVE=ON -DLLAMA_CURL=OFF -DLLAVA_BUILD=OFF -DMTMD_BUILD=OFF -DLLAMA_BUILD_TOOLS=OFF';
    await run(python, ['-m', 'pip', 'install', '--quiet', '-r', requirements], { CMAKE_ARGS: flags });
  });
  await once('node', onnxRuntimeVersion, async () => {
    progress('peers: installing onnxruntime-node');
    mkdirSync(node, { recursive: true });
    writeFileSync(join(node, 'package.json'), '{"private":true}');
    await run('npm', [
      'install',
      '--prefix',
      node,
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      `onnxruntime-node@${onnxRuntimeVersion}`,
    ]);
  });
  await once('models', `${readFileSync(makeModels, 'utf8')}${model}`, async () => {
    progress('peers: writing their models');
    await run(python, [makeModels, model, models]);
  });
  return { python, nodeModules: join(node, 'node_modules'), models };
}
