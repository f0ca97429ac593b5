/** A client for measuring: keep-alive connections, JSON, and streams with the moment each event was parsed. */
import { Agent, type IncomingMessage, request } from 'node:http';
import { createParser } from 'eventsource-parser';

/** Wall clock in milliseconds with fractions: comparable with the times in events of other processes of this machine. */
export const wallMs = () => performance.timeOrigin + performance.now();

export class Client {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 128 });
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(url: string, headers: Readonly<Record<string, string>>) {
    this.#url = url;
    this.#headers = headers;
  }

  open(method: string, path: string, body?: unknown): Promise<IncomingMessage> {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const headers = {
        ...this.#headers,
        ...(payload ? { 'content-type': 'application/json' } : {}),
      };
      const outgoing = request(this.#url + path, { method, agent: this.#agent, headers, timeout: 30_000 }, resolve);
      outgoing.on('error', reject);
      outgoing.end(payload);
    });
  }

  async json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await this.open(method, path, body);
    let text = '';
    for await (const chunk of response.setEncoding('utf8')) text += chunk;
    if ((response.statusCode ?? 500) >= 300) throw new Error(`${method} ${path}: ${response.statusCode} ${text}`);
    return JSON.parse(text) as T;
  }

  /** Calls back with each SSE data payload and the moment it was parsed. */
  async events(response: IncomingMessage, onData: (data: string, at: number) => void): Promise<void> {
    const parser = createParser({ onEvent: (event) => onData(event.data, wallMs()) });
    for await (const chunk of response.setEncoding('utf8')) parser.feed(chunk);
  }

  close(): void {
    this.#agent.destroy();
  }
}
