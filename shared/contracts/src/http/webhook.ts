/** `/api/webhooks`: what receivers of webhooks need. */
import { z } from 'zod';

export const webhookSecretSchema = z
  .object({
    object: z.literal('webhook_secret'),
    secret: z.string().meta({ description: '`whsec_` and 32 bytes in base64.' }),
  })
  .meta({ id: 'WebhookSecret' });
