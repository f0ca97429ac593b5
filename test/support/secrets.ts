/** Secrets planted by a test, and the search for them in whatever the product wrote or said. */

/** A secret in the spellings it may leave in: as it is, percent-encoded, in hex, and in base64 at each place of three bytes. */
function spellingsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const base64 = [0, 1, 2].flatMap((lead) => {
    const shifted = Buffer.concat([Buffer.alloc(lead), bytes]).toString('base64');
    // The first and last characters depend on what stands beside it.
    const own = shifted.slice(lead === 0 ? 0 : 4, -4);
    return [own, own.replaceAll('+', '-').replaceAll('/', '_')];
  });
  return [...new Set([secret, encodeURIComponent(secret), bytes.toString('hex'), ...base64])];
}

export class Secrets {
  readonly #planted = new Map<string, string[]>();

  /** Remembers it under a name that a failure may tell. */
  plant<Text extends string>(name: string, secret: Text): Text {
    if (secret.length < 12) throw new Error(`${name} is too short to be recognised`);
    this.#planted.set(name, spellingsOf(secret));
    return secret;
  }

  get size(): number {
    return this.#planted.size;
  }

  /** Names of those found in the text, with some of what stands around each. */
  findIn(text: string): string[] {
    return [...this.#planted].flatMap(([name, spellings]) =>
      spellings.flatMap((spelling) => {
        const at = text.indexOf(spelling);
        return at < 0 ? [] : [`${name}: …${text.slice(Math.max(0, at - 120), at + spelling.length + 40)}…`];
      }),
    );
  }
}
