/** `inkwell serve`: reads the configuration, composes the embedded edition, tells the person how it stands, and stops cleanly when asked. */
import { readEmbeddedConfig } from '@inkwell/contracts';
import { composeEmbedded, type EmbeddedEdition } from './compose-embedded.ts';
import { type ConsoleOutput, jsonOutput, textOutput } from './console-output.ts';
import { untilStopAsked } from './until-stop-asked.ts';

export interface ServeOptions {
  json: boolean;
  version: string;
  environment: Readonly<Record<string, string | undefined>>;
}

/** Resolves when it was asked to stop and has stopped. */
export async function serve({ json, version, environment }: ServeOptions): Promise<void> {
  const startedAt = performance.now();
  const write = (line: string) => process.stdout.write(`${line}\n`);
  const output = json ? jsonOutput(write) : textOutput(write);
  const config = readEmbeddedConfig(environment);
  const stopAsked = untilStopAsked(() => output.stopping());
  output.progress('opening the store …');
  const edition = await composeEmbedded(config, version, everyTenth(output));
  try {
    output.progress(`loading the model ${edition.modelId} …`);
    const engine = await Promise.race([edition.ready, stopAsked]);
    if (engine !== 'stop') announce(output, edition, engine, performance.now() - startedAt);
    await stopAsked;
  } finally {
    await edition.stop();
  }
}

/** Says how far loading has come, a tenth at a time, once it has taken long enough for a person to wonder. */
function everyTenth(output: ConsoleOutput): (percent: number) => void {
  const quietUntil = performance.now() + 1500;
  let said = 0;
  return (percent) => {
    if (percent < said + 10 || performance.now() < quietUntil) return;
    said = percent - (percent % 10);
    output.progress(`loading the model: ${said} %`);
  };
}

function announce(
  output: ConsoleOutput,
  { url, modelId, dataDir, apiKeyFile, newApiKey }: EmbeddedEdition,
  engine: Awaited<EmbeddedEdition['ready']>,
  tookMs: number,
): void {
  const backend = engine
    ? `${engine.name} on ${engine.device}, weights ${engine.quantization === 'none' ? 'f32' : engine.quantization}${engine.kvCache === 'int4' ? ' with a KV cache of int4' : ''}, ${engine.threads} threads`
    : 'none';
  output.ready({ url, model: modelId, backend, dataDir, apiKeyFile, newApiKey, tookMs });
}
