import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { webhookHeaders, webhookSecretOf } from './signature.ts';

const server = 'a server secret of the tests, 32 bytes or more';

describe('a webhook’s signature', () => {
  it('is accepted by the public library, whatever the body', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.stringMatching(/^[a-z0-9_-]{1,20}$/), (text, tenant) => {
        const secret = webhookSecretOf(server, tenant);
        const body = JSON.stringify({ text: text.toWellFormed() });
        const headers = webhookHeaders(secret, `msg_${tenant}`, Date.now(), body);
        expect(new Webhook(secret).verify(body, headers)).toEqual(JSON.parse(body));
      }),
    );
  });

  it('is refused by it for another body, id, time or tenant', () => {
    const secret = webhookSecretOf(server, 'alice');
    const headers = webhookHeaders(secret, 'msg_1', Date.now(), '{"a":1}');
    const verify = (changes: object, body = '{"a":1}', by = secret) =>
      new Webhook(by).verify(body, { ...headers, ...changes });
    expect(verify({})).toEqual({ a: 1 });
    expect(() => verify({}, '{"a":2}')).toThrow(/signature/);
    expect(() => verify({ 'webhook-id': 'msg_2' })).toThrow(/signature/);
    expect(() => verify({ 'webhook-timestamp': String(Math.floor(Date.now() / 1000) - 1) })).toThrow(/signature/);
    expect(() => verify({}, '{"a":1}', webhookSecretOf(server, 'bob'))).toThrow(/signature/);
  });
});
