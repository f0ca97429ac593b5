import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StopScanner } from './stop-scanner.ts';

/** By definition: the shortest prefix that ends with a stop string, cut before the longest stop it ends with. */
function cut(text: string, stops: readonly string[]): { text: string; stopped: boolean } {
  for (let end = 1; end <= text.length; end++) {
    const found = stops.filter((stop) => stop !== '' && text.slice(0, end).endsWith(stop));
    const longest = Math.max(0, ...found.map((stop) => stop.length));
    if (longest > 0) return { text: text.slice(0, end - longest), stopped: true };
  }
  return { text, stopped: false };
}

const word = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '\u{1F600}'), maxLength: 6 });

describe('StopScanner', () => {
  it('shows the same text however it is cut into pieces, and never a part of what follows', () => {
    fc.assert(
      fc.property(fc.array(word, { maxLength: 4 }), fc.array(word, { maxLength: 12 }), (stops, pieces) => {
        const expected = cut(pieces.join(''), stops);
        const scanner = new StopScanner(stops);
        let shown = '';
        let stopped = false;
        for (const piece of pieces) {
          const scanned = scanner.write(piece);
          shown += scanned.text;
          expect(expected.text.startsWith(shown)).toBe(true);
          stopped = scanned.stopped;
          if (stopped) break;
        }
        expect(shown + (stopped ? '' : scanner.flush())).toBe(expected.text);
        expect(stopped).toBe(expected.stopped);
      }),
    );
  });

  it('holds back exactly the longest suffix that begins a stop string', () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), word, (stops, text) => {
        fc.pre(!cut(text, stops).stopped);
        let held = 0;
        for (let k = 1; k <= text.length; k++) {
          if (stops.some((stop) => stop.length > k && stop.startsWith(text.slice(-k)))) held = k;
        }
        expect(new StopScanner(stops).write(text).text).toBe(text.slice(0, text.length - held));
      }),
    );
  });

  it('is linear: a stop of 10,000 units against text that nearly matches it everywhere', () => {
    const scanner = new StopScanner([`${'a'.repeat(10_000)}b`]);
    let shown = 0;
    for (let i = 0; i < 3000; i++) shown += scanner.write('a'.repeat(100)).text.length;
    expect(shown).toBe(300_000 - 10_000);
  });
});
