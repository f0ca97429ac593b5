/**
 * Stands between a client and a real server and does to their connections what networks do. It copies bytes, knows no protocol, and does not
 * hold a fast sender back. What each fault means for connections that are open and for those that come:
 *
 *   cut         open ones end, new ones are refused
 *   slow        what the server answers arrives later
 *   reset       what is asked still reaches the server; its next answer is lost and the connection is reset
 *   black hole  nothing arrives any more, nobody is told, and a connection that was in it stays dead when it is over
 */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export type Fault = { kind: 'cut' } | { kind: 'slow'; delayMs: number } | { kind: 'reset' } | { kind: 'black hole' };

export interface FaultProxy {
  /** Where clients connect, on 127.0.0.1. */
  readonly port: number;
  /** In place of the fault before. */
  inflict(fault: Fault): Promise<void>;
  heal(): Promise<void>;
  /** Ends all connections. */
  close(): Promise<void>;
}

/** How long a port that was given up for a cut is asked for again: another program may have it for a moment. */
const relistenMs = 5_000;

/** @param url anything that ends in `host:port`, with or without a path behind it */
export async function startFaultProxy(url: string): Promise<FaultProxy> {
  const [, host, port] = /([\w.-]+):(\d+)(?:\/.*)?$/.exec(url) ?? [];
  if (host === undefined) throw new Error('the address to stand before has no port');
  const proxy = new TcpFaultProxy(() => connect({ host, port: Number(port), noDelay: true, allowHalfOpen: true }));
  await proxy.listen(0);
  return proxy;
}

class TcpFaultProxy implements FaultProxy {
  readonly #dial: () => Socket;
  readonly #links = new Set<Link>();
  #server: Server | undefined;
  #fault: Fault | undefined;
  port = 0;

  constructor(dial: () => Socket) {
    this.#dial = dial;
  }

  async listen(port: number): Promise<void> {
    const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => this.#accept(client));
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    this.#server = server;
    this.port = (server.address() as { port: number }).port;
  }

  async inflict(fault: Fault): Promise<void> {
    await this.heal();
    this.#fault = fault;
    if (fault.kind === 'black hole') for (const link of this.#links) link.dead = true;
    if (fault.kind === 'cut') await this.#hangUp();
  }

  async heal(): Promise<void> {
    this.#fault = undefined;
    const giveUpAt = performance.now() + relistenMs;
    while (this.#server === undefined) {
      try {
        await this.listen(this.port);
      } catch (error) {
        if (performance.now() > giveUpAt) throw error;
        await delay(50);
      }
    }
  }

  async close(): Promise<void> {
    await this.#hangUp();
  }

  async #hangUp(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    const closed = server && once(server, 'close');
    server?.close();
    for (const link of this.#links) link.destroy();
    await closed;
  }

  #accept(client: Socket): void {
    const link = new Link(client, this.#dial(), () => this.#fault);
    link.dead = this.#fault?.kind === 'black hole';
    this.#links.add(link);
    link.onClose(() => this.#links.delete(link));
  }
}

/** One connection with its two ends. */
class Link {
  readonly #client: Socket;
  readonly #server: Socket;
  /** Nothing passes any more, not even an end. */
  dead = false;
  /** What is delayed, in order. */
  #late: Promise<void> = Promise.resolve();
  #lateCount = 0;

  constructor(client: Socket, server: Socket, fault: () => Fault | undefined) {
    this.#client = client;
    this.#server = server;
    client.on('data', (bytes) => this.dead || server.write(bytes));
    client.on('end', () => this.dead || server.end());
    server.on('data', (bytes) => this.#answer(bytes, fault()));
    server.on('end', () => this.#inOrder(0, () => client.end()));
    for (const [end, other] of [
      [client, server],
      [server, client],
    ] as const) {
      end.on('error', () => end.destroy());
      end.on('close', () => this.dead || this.#inOrder(0, () => other.destroy()));
    }
  }

  onClose(listener: () => void): void {
    this.#client.once('close', () => {
      if (this.dead) this.#server.destroy();
      listener();
    });
  }

  destroy(): void {
    this.#client.destroy();
    this.#server.destroy();
  }

  #answer(bytes: Buffer, fault: Fault | undefined): void {
    if (this.dead) return;
    if (fault?.kind === 'reset') {
      this.#client.resetAndDestroy();
      this.#server.destroy();
    } else this.#inOrder(fault?.kind === 'slow' ? fault.delayMs : 0, () => this.#client.write(bytes));
  }

  #inOrder(delayMs: number, act: () => void): void {
    if (delayMs === 0 && this.#lateCount === 0) {
      if (!this.dead) act();
      return;
    }
    this.#lateCount++;
    const due = delay(delayMs);
    this.#late = this.#late.then(async () => {
      await due;
      this.#lateCount--;
      if (!this.dead) act();
    });
  }
}
