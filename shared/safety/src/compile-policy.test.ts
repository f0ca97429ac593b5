import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { compilePolicy } from './compile-policy.ts';
import { detectorNames, detectors } from './detectors/index.ts';
import { foldText } from './fold.ts';
import { policyFileSchema } from './policy-file.ts';
import { readDefaultPolicy } from './policy-source.ts';

const defaultText = readFileSync(new URL('./default-policy.json', import.meta.url), 'utf8');
const file = policyFileSchema.parse(JSON.parse(defaultText));

const examples = { caught: ['bad thing'], passed: ['good thing'] };
const promptRule = { id: 'p', kind: 'sensitive', patterns: ['bad'], examples };
const outputRule = { id: 'o', kind: 'phrase', phrases: ['bad'], examples };
const policyOf = (changes: object) =>
  compilePolicy(JSON.stringify({ version: 1, prompt_rules: [], output_rules: [], ...changes }));

describe('the default policy', () => {
  it.each(file.prompt_rules)('$id treats its examples as it says, alone and among the others', (rule) => {
    const alone = compilePolicy(JSON.stringify({ ...file, prompt_rules: [{ ...rule, enabled: true }] }));
    for (const text of rule.examples.caught) expect(alone.checkPrompt(text)).toEqual({ id: rule.id, kind: rule.kind });
    for (const text of rule.examples.passed) expect(alone.checkPrompt(text)).toBeNull();
  });

  it('refuses none of the texts of this repository: documents in English are no attack', () => {
    const policy = readDefaultPolicy();
    const folder = new URL('../../../docs/adr/', import.meta.url);
    const files = readdirSync(folder).map((name) => new URL(name, folder));
    for (const one of [...files, new URL('../../../README.md', import.meta.url)]) {
      expect([one.pathname, policy.checkPrompt(readFileSync(one, 'utf8'))]).toEqual([one.pathname, null]);
    }
    expect(files.length).toBeGreaterThan(5);
  });

  it('bans no output: a newcomer sees what the model says', () => {
    expect(readDefaultPolicy().outputFilter).toBeNull();
  });
});

describe('hostile prompts', () => {
  const everything = compilePolicy(
    JSON.stringify({ ...file, prompt_rules: file.prompt_rules.map((rule) => ({ ...rule, enabled: true })) }),
  );
  const length = 10_000;
  const fill = (text: string) => text.repeat(Math.ceil(length / text.length)).slice(0, length);
  it.each([
    ['nothing but digits', fill('4')],
    ['digits in pairs', fill('41 ')],
    ['card numbers that are nearly right', fill('4111 1111 1111 1112 ')],
    ['at signs', fill('@')],
    ['addresses without end', fill('a@a-')],
    ['labels without end', `x@${fill('a.')}`],
    ['numbers with hyphens', fill('123-45-')],
    ['account numbers without end', fill('de89 3704 ')],
    ['begun keys', fill('-----begin ')],
    ['begun patterns', fill('ignore ')],
    ['begun patterns with gaps', fill('ignore all the your previous ')],
    ['combining marks', fill('\u0301')],
    ['invisible characters', fill('\u200b')],
    ['ligatures that grow', fill('\ufdfa')],
    ['apostrophes', fill("a'")],
    ['spaces', fill(' ')],
  ])('%s: answered in bounded time', (_, text) => {
    const started = performance.now();
    everything.checkPrompt(text);
    expect(performance.now() - started).toBeLessThan(1_000);
  });

  it('no detector takes more than linear time: forty times the longest prompt is answered in seconds', () => {
    const hostile = [
      '4',
      '41 ',
      '4111-',
      '@',
      'a@a-',
      'a.',
      '123-45-',
      'de89 3704 ',
      'gb82west',
      '-----begin ',
      'ssn ',
    ];
    for (const name of detectorNames) {
      for (const unit of hostile) {
        const text = foldText(unit.repeat(400_000 / unit.length));
        const started = performance.now();
        detectors[name](text);
        // Quadratic work would take minutes.
        expect([name, unit, performance.now() - started < 5_000]).toEqual([name, unit, true]);
      }
    }
  });
});

describe('a policy file', () => {
  it('gives every job the phrases that are switched on, with the rule they belong to', () => {
    const policy = policyOf({
      replacement: '[gone]',
      output_rules: [
        { ...outputRule, phrases: ['bad', 'worse'], match: 'anywhere' },
        { ...outputRule, id: 'off', enabled: false },
      ],
    });
    expect(policy.outputFilter).toMatchObject({
      replacement: '[gone]',
      phrases: [
        { rule: 'o', text: 'bad', whole: false },
        { rule: 'o', text: 'worse', whole: false },
      ],
    });
    expect(policy.rules).toEqual([{ id: 'o', kind: 'phrase' }]);
  });

  it('names what it bans by content: the same phrases have the same version, others another', () => {
    const [a, b, c] = [['bad'], ['bad'], ['bad', 'worse']].map((phrases) =>
      policyOf({ output_rules: [{ ...outputRule, phrases }] }),
    );
    expect(a!.outputFilter!.version).toBe(b!.outputFilter!.version);
    expect(a!.outputFilter!.version).not.toBe(c!.outputFilter!.version);
  });

  it.each<[string, object, RegExp]>([
    ['an unknown field', { promt_rules: [] }, /promt_rules/],
    ['a rule without id', { prompt_rules: [{ ...promptRule, id: undefined }] }, /prompt_rules\.0\.id/],
    ['a rule of both kinds', { prompt_rules: [{ ...promptRule, detector: 'email' }] }, /either patterns or a detector/],
    ['an unknown detector', { prompt_rules: [{ ...promptRule, patterns: undefined, detector: 'x' }] }, /detector/],
    ['a pattern that cannot be read', { prompt_rules: [{ ...promptRule, patterns: ['(bad'] }] }, /rule p, patterns\.0/],
    [
      'an example that is not caught',
      { prompt_rules: [{ ...promptRule, patterns: ['worse'] }] },
      /p, examples\.caught\.0/,
    ],
    ['an example that is caught', { prompt_rules: [{ ...promptRule, patterns: ['thing'] }] }, /p, examples\.passed\.0/],
    [
      'examples of a rule that is off',
      { output_rules: [{ ...outputRule, enabled: false, phrases: ['x'] }] },
      /o, examples/,
    ],
    [
      'two rules of one id',
      { prompt_rules: [promptRule], output_rules: [{ ...outputRule, id: 'p' }] },
      /two of this id/,
    ],
    ['an invisible phrase', { output_rules: [{ ...outputRule, phrases: ['\u200b'] }] }, /invisible/],
    ['a replacement it bans', { replacement: 'so bad', output_rules: [outputRule] }, /replacement/],
    ['rules without examples', { prompt_rules: [{ ...promptRule, examples: { caught: [], passed: [] } }] }, /examples/],
  ])('with %s is refused, and the place is named', (_, changes, problem) => {
    expect(() => policyOf(changes)).toThrow(problem);
  });

  it('that is no JSON is refused', () => {
    expect(() => compilePolicy('{')).toThrow(/not JSON/);
  });
});
