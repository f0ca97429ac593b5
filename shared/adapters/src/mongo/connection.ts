/**
 * One process's connections to MongoDB and what is kept there. Guarantees: writes are acknowledged by a majority with their journal, reads see
 * only such writes, every wait has a deadline, and failures of the database reach callers as `dependency_unavailable`. A call that failed
 * may still have been done.
 */
import { InkwellError } from '@inkwell/contracts';
import mongoose, { type Connection } from 'mongoose';
import { auditHeadSchema, auditSchema, historySchema, webhookSchema } from './recorder-schema.ts';
import { attemptSchema, keySchema, revocationSchema, sessionSchema, usedOnceSchema, userSchema } from './schema.ts';

export interface MongoConnectionOptions {
  /** `mongodb://` or `mongodb+srv://`; never logged. */
  url: string;
  database: string;
  /** Longest wait for a server, for a free connection, and for an answer: each. */
  deadlineMs: number;
}

type Models = ReturnType<typeof modelsOf>;

export interface MongoConnection extends Models {
  /** Runs the call and translates its failure. */
  call<Value>(work: () => Promise<Value>): Promise<Value>;
  close(): Promise<void>;
}

/** Creates missing indexes. Throws an Error worded for the operator when the database doesn't answer. */
export async function connectMongo({ url, database, deadlineMs }: MongoConnectionOptions): Promise<MongoConnection> {
  let connection: Connection | undefined;
  let closed = false;
  try {
    connection = await mongoose
      .createConnection(url, {
        dbName: database,
        serverSelectionTimeoutMS: deadlineMs,
        waitQueueTimeoutMS: deadlineMs,
        socketTimeoutMS: deadlineMs,
        connectTimeoutMS: deadlineMs,
        writeConcern: { w: 'majority', journal: true },
        readConcern: { level: 'majority' },
        autoIndex: false,
        autoCreate: false,
      })
      .asPromise();
    const models = modelsOf(connection);
    await models.keys.createIndexes();
    const { users, sessions, revocations, attempts, usedOnce, audit, history, webhooks } = models;
    for (const model of [users, sessions, revocations, attempts, usedOnce]) await model.createIndexes();
    for (const model of [audit, history, webhooks]) await model.createIndexes();
    const open = connection;
    return {
      ...models,
      async call(work) {
        if (closed) throw new InkwellError('shutting_down', { message: 'The database is closed.' });
        try {
          return await work();
        } catch (error) {
          throw translate(error);
        }
      },
      async close() {
        closed = true;
        await open.close();
      },
    };
  } catch (error) {
    await connection?.close();
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`MongoDB cannot be used: ${reason}. Check MONGO_URL.`);
  }
}

function modelsOf(connection: Connection) {
  return {
    keys: connection.model('Key', keySchema),
    users: connection.model('User', userSchema),
    sessions: connection.model('Session', sessionSchema),
    revocations: connection.model('Revocation', revocationSchema),
    attempts: connection.model('Attempt', attemptSchema),
    usedOnce: connection.model('UsedOnce', usedOnceSchema),
    audit: connection.model('Audit', auditSchema),
    auditHeads: connection.model('AuditHead', auditHeadSchema),
    history: connection.model('History', historySchema),
    webhooks: connection.model('Webhook', webhookSchema),
  };
}

/** True when a document with this id or unique field is there already. */
export function isDuplicate(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 11_000;
}

/** An error the server answered about our command is our mistake; everything else Mongo throws means that it could not be asked. */
function translate(error: unknown): unknown {
  if (!(error instanceof Error) || !error.name.startsWith('Mongo')) return error;
  if (error instanceof mongoose.mongo.MongoServerError && !error.hasErrorLabel('RetryableWriteError')) return error;
  return new InkwellError('dependency_unavailable', {
    message: 'The database is not available.',
    retryAfterSeconds: 5,
    cause: error,
  });
}
