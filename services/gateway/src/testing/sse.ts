/** Reads server-sent events as a client does, frame by frame. */

export interface SseFrame {
  id: string | undefined;
  event: string | undefined;
  data: string;
}

function parseFrame(text: string): SseFrame | undefined {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).replace(/^ /, ''));
  }
  const data = fields.get('data');
  return data === undefined ? undefined : { id: fields.get('id'), event: fields.get('event'), data };
}

/** The frames with data; comments and `retry` are passed over. */
export async function* readSse(response: Response): AsyncGenerator<SseFrame> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body!) {
    rest += decoder.decode(chunk as Uint8Array, { stream: true });
    const frames = rest.split('\n\n');
    rest = frames.pop()!;
    for (const text of frames) {
      const frame = parseFrame(text);
      if (frame) yield frame;
    }
  }
}

export async function allSse(response: Response): Promise<SseFrame[]> {
  const frames: SseFrame[] = [];
  for await (const frame of readSse(response)) frames.push(frame);
  return frames;
}
