/** How an installation reaches its Kafka, and as whom. */
import { z } from 'zod';

const broker = /^[\w.-]{1,253}:\d{1,5}$/;

export const kafkaSettings = {
  KAFKA_BROKERS: z
    .string()
    .transform((list) => list.split(',').map((one) => one.trim()))
    .pipe(z.array(z.string().regex(broker, 'must be a list of host:port, separated by commas')).min(1))
    .describe('Kafka: host:port of some brokers, separated by commas.'),
  KAFKA_TLS: z
    .enum(['on', 'off'])
    .default('off')
    .describe('Whether brokers are spoken to over TLS. NODE_EXTRA_CA_CERTS names a file of further authorities.'),
  KAFKA_USERNAME: z.string().min(1).max(255).optional().describe('Who we are to the brokers (SASL), if they ask.'),
  KAFKA_PASSWORD: z.string().min(1).max(1000).optional().describe('Password of KAFKA_USERNAME.'),
  KAFKA_SASL_MECHANISM: z
    .enum(['scram-sha-512', 'scram-sha-256', 'plain'])
    .default('scram-sha-512')
    .describe('How the brokers are shown the password; plain only over TLS.'),
};

type KafkaSettings = z.infer<z.ZodObject<typeof kafkaSettings>>;

/** What is wrong between the settings: half a credential, one for brokers nobody named, a password that would travel in the clear. */
export function kafkaProblems(settings: Partial<KafkaSettings>, context: z.RefinementCtx): void {
  const { KAFKA_BROKERS, KAFKA_TLS, KAFKA_USERNAME, KAFKA_PASSWORD, KAFKA_SASL_MECHANISM } = settings;
  const problem = (name: keyof KafkaSettings, message: string) =>
    context.addIssue({ code: 'custom', path: [name], message });
  const [named, known] = [KAFKA_USERNAME !== undefined, KAFKA_PASSWORD !== undefined];
  if (KAFKA_BROKERS === undefined && (named || known || KAFKA_TLS === 'on')) problem('KAFKA_BROKERS', 'must be set');
  if (named && !known) problem('KAFKA_PASSWORD', 'must be set');
  if (known && !named) problem('KAFKA_USERNAME', 'must be set');
  if (known && KAFKA_SASL_MECHANISM === 'plain' && KAFKA_TLS !== 'on') {
    problem('KAFKA_SASL_MECHANISM', 'must be scram-sha-512 or scram-sha-256 without KAFKA_TLS=on');
  }
}

/** The same as whoever opens connections takes it. */
export function kafkaServers(settings: KafkaSettings) {
  const { KAFKA_BROKERS, KAFKA_TLS, KAFKA_USERNAME, KAFKA_PASSWORD, KAFKA_SASL_MECHANISM } = settings;
  return {
    brokers: KAFKA_BROKERS,
    tls: KAFKA_TLS === 'on',
    ...(KAFKA_USERNAME !== undefined &&
      KAFKA_PASSWORD !== undefined && {
        credentials: { mechanism: KAFKA_SASL_MECHANISM, username: KAFKA_USERNAME, password: KAFKA_PASSWORD },
      }),
  };
}
