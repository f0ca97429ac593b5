import { once } from 'node:events';
import { auditEntrySchema, auditFilterSchema } from '@inkwell/contracts/http';
import { z } from 'zod';
import { audit } from '../../audit/audit.ts';
import { auditFilterOf } from '../../audit/filter.ts';
import { stopSignal } from '../../http/stop-signal.ts';
import { compress } from '../../middleware/compress.ts';
import { defineOperation } from '../../operation.ts';

const pageSize = 500;
const mediaType = 'application/x-ndjson';

/** `GET /api/admin/audit/export`: the log as JSON lines, oldest first, as long as the client reads. */
export const exportAudit = defineOperation({
  id: 'exportAudit',
  method: 'get',
  path: '/api/admin/audit/export',
  tag: 'Audit',
  summary: 'Export the audit log',
  description:
    'One JSON object per line, oldest first. Without a filter the lines are the whole chain and can be verified.',
  access: 'operator',
  scope: 'admin',
  query: auditFilterSchema,
  answers: { 200: { description: 'The entries.', content: { [mediaType]: z.array(auditEntrySchema) } } },
  async handle(call, gateway) {
    const { response } = call;
    const filter = auditFilterOf(call.query);
    await audit(gateway, call, { action: 'admin.audit_exported', resource: 'audit' });
    const { signal, release } = stopSignal(gateway.lifecycle.onCut, call.gone);
    const read = (afterSeq: number) => gateway.ports.auditLog.read(filter, { afterSeq, limit: pageSize });
    try {
      let page = await read(0);
      compress(response);
      response.writeHead(200, {
        'content-type': mediaType,
        'content-disposition': 'attachment; filename="audit.jsonl"',
        'cache-control': 'no-store',
      });
      while (page.length > 0 && !signal.aborted) {
        const lines = page.map((entry) => `${JSON.stringify(entry)}\n`).join('');
        if (!response.write(lines)) await once(response, 'drain', { signal });
        if (page.length < pageSize) break;
        page = await read(page.at(-1)!.seq);
      }
      response.end();
    } finally {
      release();
      // A cut export must not look like a whole one.
      if (!response.writableEnded && response.headersSent) response.destroy();
    }
    return undefined;
  },
});
