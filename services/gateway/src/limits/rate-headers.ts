/**
 * How much is left, in both customary forms: `x-ratelimit-{limit,remaining,reset}-{requests,tokens}` for the tightest limit of each unit, and
 * `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers, structured fields of RFC 9651) for all.
 */
import type { Limit, LimitUse } from '@inkwell/ports';

const windowSeconds = { minute: 60, day: 86_400, month: 2_592_000 } as const;

const remainingOf = ({ limit, used }: LimitUse): number => Math.max(0, limit.amount - used);
const secondsUntil = (moment: number | null, nowMs: number): number =>
  moment === null ? 0 : Math.max(0, Math.ceil((moment - nowMs) / 1_000));

/** `key-tokens-day`: whose, what and how long. Who it is stays out of it. */
function policyName({ name, unit, window }: Limit): string {
  return `"${name.slice(0, name.indexOf(':'))}-${unit}-${window}"`;
}

function tightest(uses: readonly LimitUse[], unit: Limit['unit']): LimitUse | undefined {
  return uses
    .filter(({ limit }) => limit.unit === unit)
    .reduce<LimitUse | undefined>(
      (least, use) => (least === undefined || remainingOf(use) < remainingOf(least) ? use : least),
      undefined,
    );
}

function openAiHeaders(uses: readonly LimitUse[], nowMs: number): [string, string][] {
  return (['requests', 'tokens'] as const).flatMap((unit): [string, string][] => {
    const use = tightest(uses, unit);
    if (use === undefined) return [];
    return [
      [`x-ratelimit-limit-${unit}`, String(use.limit.amount)],
      [`x-ratelimit-remaining-${unit}`, String(remainingOf(use))],
      [`x-ratelimit-reset-${unit}`, `${secondsUntil(use.returnsAt, nowMs)}s`],
    ];
  });
}

/** Nothing where nothing is limited. */
export function rateHeaders(uses: readonly LimitUse[], nowMs: number): Record<string, string> {
  if (uses.length === 0) return {};
  const unitOf = ({ unit }: Limit) => (unit === 'requests' ? '' : `;qu="${unit}"`);
  const policies = uses.map(
    ({ limit }) => `${policyName(limit)};q=${limit.amount}${unitOf(limit)};w=${windowSeconds[limit.window]}`,
  );
  const states = uses.map(
    (use) => `${policyName(use.limit)};r=${remainingOf(use)};t=${secondsUntil(use.returnsAt, nowMs)}`,
  );
  return {
    ...Object.fromEntries(openAiHeaders(uses, nowMs)),
    'ratelimit-policy': policies.join(', '),
    ratelimit: states.join(', '),
  };
}
