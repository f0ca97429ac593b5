/** The servers other tests rely on: each starts by itself, answers its own protocol, and leaves nothing behind. */
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { startOwnKafka } from '../../infra/services/kafka.ts';
import { startOwnMongo } from '../../infra/services/mongo.ts';
import { startOwnRedis } from '../../infra/services/redis.ts';
import { freePort, startChild } from '../../infra/services/running-service.ts';

/** ApiVersions, version 0: length, key 18, version, correlation 7, no client id. Every broker answers it. */
const kafkaApiVersions = Buffer.from('0000000a0012000000000007ffff', 'hex');
/** OP_MSG with {ping: 1, $db: "admin"}; request id 7. */
const mongoPing = Buffer.from(
  '330000000700000000000000dd07000000000000001e0000001070696e67000100000002246462000600000061646d696e0000',
  'hex',
);

afterEach(() => vi.unstubAllEnvs());

const servers = [
  {
    name: 'redis',
    start: startOwnRedis,
    ask: Buffer.from('PING\r\n'),
    answer: (bytes: Buffer) => bytes.toString() === '+PONG\r\n',
  },
  // The answer carries the request's number: Kafka after the length, MongoDB in the third word of its header.
  { name: 'mongo', start: startOwnMongo, ask: mongoPing, answer: (bytes: Buffer) => bytes.readInt32LE(8) === 7 },
  { name: 'kafka', start: startOwnKafka, ask: kafkaApiVersions, answer: (bytes: Buffer) => bytes.readInt32BE(4) === 7 },
];

it.each(servers)(
  '$name starts, answers, and leaves neither port nor folder behind',
  async ({ start, ask, answer }) => {
    // A temporary directory of its own: what is left in it afterwards was left by this server.
    const directory = await mkdtemp(join(tmpdir(), 'inkwell-servers-'));
    vi.stubEnv('TMPDIR', directory);
    const server = await start();
    const port = Number(/:(\d+)$/.exec(server.url)?.[1]);
    try {
      const socket = await open(port);
      socket.write(ask);
      const [bytes] = (await once(socket, 'data', { signal: AbortSignal.timeout(20_000) })) as [Buffer];
      socket.destroy();
      expect(answer(bytes)).toBe(true);
    } finally {
      await server.stop();
    }
    await expect(open(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    // Java keeps a folder for its tools by itself; it is not the server's.
    expect((await readdir(directory)).filter((name) => name.startsWith('inkwell-'))).toEqual([]);
    await rm(directory, { recursive: true });
  },
  120_000,
);

it('says what a server printed when it does not start', async () => {
  const program = 'console.log("port is taken"); process.exit(3)';
  const starting = startChild({
    command: process.execPath,
    args: ['-e', program],
    directory: tmpdir(),
    ready: /never/,
    readyTimeoutMs: 20_000,
  });
  await expect(starting).rejects.toThrow(/did not start: it ended with 3\.\nport is taken/);
});

it('gives a port nobody listens on', async () => {
  await expect(open(await freePort())).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}
