/** The text of `docs/errors.md`, so that it can never disagree with the table of errors. */
import { errorTable } from './errors.ts';

export function renderErrorReference(): string {
  const rows = Object.entries(errorTable)
    .sort(([, a], [, b]) => a.status - b.status)
    .map(
      ([code, row]) =>
        `| \`${code}\` | ${row.status} | \`${row.type}\` | ${row.retryable ? 'yes' : 'no'} | ${row.message} |`,
    );
  return `# Errors

Every error answer has the same body, with all four fields: \`{"error": {"message", "type", "param", "code"}}\`. \`code\` never changes its
meaning; \`message\` may be more exact than the text below; \`param\` names the field at fault or is null. With
\`Accept: application/problem+json\` the answer is in the form of RFC 9457 instead. 429 and 503 carry \`Retry-After\`, computed from measured
throughput; \`x-should-retry: false\` says that sending the same again cannot help.

| code | status | type | worth retrying | message |
|---|---|---|---|---|
${rows.join('\n')}
`;
}
