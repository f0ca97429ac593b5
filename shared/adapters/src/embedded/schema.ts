/**
 * The tables, as a list of migrations: entry n brings a store from version n to n + 1, and `user_version` says where a file stands. Entries
 * are never edited once released. Times are Unix milliseconds; counters move in the same transaction as the rows they count.
 */
import type { Connection } from './connection.ts';

/** "Ink!": marks the file as ours, so that another program's database is never altered. */
const applicationId = 0x496e6b21;

const first = `
  CREATE TABLE jobs (
    key TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    state TEXT NOT NULL,
    priority TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    created_at REAL NOT NULL,
    started_at REAL,
    finished_at REAL,
    error TEXT,
    result TEXT,
    given TEXT NOT NULL
  ) STRICT;
  CREATE INDEX jobs_by_creation ON jobs (tenant, created_at, key, state);
  CREATE INDEX jobs_waiting ON jobs (created_at, key) WHERE state = 'queued';
  CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;

  CREATE TABLE job_metadata (
    tenant TEXT NOT NULL,
    pair TEXT NOT NULL,
    created_at REAL NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (tenant, pair, created_at, key)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE priority_counters (
    priority TEXT NOT NULL PRIMARY KEY,
    last_ordinal INTEGER NOT NULL,
    queued INTEGER NOT NULL,
    in_progress INTEGER NOT NULL,
    departed INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  INSERT INTO priority_counters VALUES ('interactive', 0, 0, 0, 0), ('standard', 0, 0, 0, 0), ('batch', 0, 0, 0, 0);

  CREATE TABLE tenant_counters (
    tenant TEXT NOT NULL PRIMARY KEY,
    queued INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE events (
    key TEXT NOT NULL,
    seq INTEGER NOT NULL,
    terminal INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (key, seq)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE stories_without_job (
    key TEXT NOT NULL PRIMARY KEY,
    since REAL NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE leases (
    key TEXT NOT NULL PRIMARY KEY,
    fence INTEGER NOT NULL,
    owner TEXT NOT NULL,
    expires_at REAL NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE deliveries (
    key TEXT NOT NULL PRIMARY KEY,
    message TEXT NOT NULL,
    attempts INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE dead_letters (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    message TEXT NOT NULL,
    reason TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    at REAL NOT NULL
  ) STRICT;
  CREATE INDEX dead_letters_by_key ON dead_letters (key);

  CREATE TABLE idempotency (
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    claim_expires_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    response TEXT,
    PRIMARY KEY (tenant, key)
  ) STRICT;
  CREATE INDEX idempotency_expiry ON idempotency (expires_at);

  CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    prefix TEXT NOT NULL,
    name TEXT NOT NULL,
    tenant TEXT NOT NULL,
    role TEXT NOT NULL,
    created_at REAL NOT NULL,
    expires_at REAL,
    revoked_at REAL
  ) STRICT, WITHOUT ROWID;
`;

const heldLeases = 'CREATE INDEX leases_held ON leases (expires_at) WHERE expires_at > 0;';

const identity = `
  ALTER TABLE api_keys ADD COLUMN user_id TEXT;
  ALTER TABLE api_keys ADD COLUMN scopes TEXT;
  ALTER TABLE api_keys ADD COLUMN models TEXT;
  ALTER TABLE api_keys ADD COLUMN allowed_ips TEXT;
  ALTER TABLE api_keys ADD COLUMN limits TEXT;
  ALTER TABLE api_keys ADD COLUMN signed INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE api_keys ADD COLUMN previous_hash TEXT;
  ALTER TABLE api_keys ADD COLUMN previous_until REAL;
  ALTER TABLE api_keys ADD COLUMN last_used_at REAL;
  ALTER TABLE api_keys ADD COLUMN usage_count INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX api_keys_previous ON api_keys (previous_hash) WHERE previous_hash IS NOT NULL;
  CREATE INDEX api_keys_by_tenant ON api_keys (tenant, created_at, id);

  CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    email TEXT,
    email_verified INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    role TEXT NOT NULL,
    password_hash TEXT,
    github_id TEXT UNIQUE,
    limits TEXT,
    created_at REAL NOT NULL,
    disabled_at REAL
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX users_by_verified_email ON users (email) WHERE email_verified = 1;
  CREATE INDEX users_by_creation ON users (created_at, id);

  CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    secret_hash TEXT NOT NULL,
    generation INTEGER NOT NULL,
    created_at REAL NOT NULL,
    last_used_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    revoked_at REAL,
    ip TEXT NOT NULL,
    user_agent TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX sessions_by_user ON sessions (user_id, created_at);
  CREATE INDEX sessions_expiry ON sessions (expires_at);

  CREATE TABLE revocations (
    subject TEXT NOT NULL PRIMARY KEY,
    at REAL NOT NULL,
    expires_at REAL NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX revocations_by_time ON revocations (at);
  CREATE INDEX revocations_expiry ON revocations (expires_at);

  CREATE TABLE attempts (
    subject TEXT NOT NULL PRIMARY KEY,
    tries INTEGER NOT NULL,
    next_at REAL NOT NULL,
    expires_at REAL NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX attempts_expiry ON attempts (expires_at);

  CREATE TABLE used_once (
    text TEXT NOT NULL PRIMARY KEY,
    expires_at REAL NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX used_once_expiry ON used_once (expires_at);
`;

const facts = `
  CREATE TABLE facts (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    at REAL NOT NULL,
    body TEXT NOT NULL
  ) STRICT;
  CREATE TABLE fact_groups (
    name TEXT NOT NULL PRIMARY KEY,
    place INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE audit_entries (
    seq INTEGER PRIMARY KEY,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL,
    fact_id TEXT NOT NULL UNIQUE,
    at REAL NOT NULL,
    actor_kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    key_id TEXT,
    tenant TEXT,
    action TEXT NOT NULL,
    resource TEXT NOT NULL,
    outcome TEXT NOT NULL,
    ip TEXT,
    request_id TEXT,
    reason TEXT,
    details TEXT NOT NULL
  ) STRICT;
  CREATE INDEX audit_by_tenant ON audit_entries (tenant, seq);
  CREATE INDEX audit_by_actor ON audit_entries (actor, seq);
  CREATE INDEX audit_by_key ON audit_entries (key_id, seq);
  CREATE INDEX audit_by_action ON audit_entries (action, seq);
  CREATE TABLE audit_head (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL
  ) STRICT;

  CREATE TABLE usage_facts (
    id TEXT NOT NULL PRIMARY KEY,
    counted_at REAL NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX usage_facts_by_age ON usage_facts (counted_at);
  CREATE TABLE usage_buckets (
    size INTEGER NOT NULL,
    start INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    key_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    model TEXT NOT NULL,
    requests INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    PRIMARY KEY (size, start, tenant, key_id, user_id, model)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX usage_of_tenant ON usage_buckets (tenant, size, start);

  CREATE TABLE job_history (
    key TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    state TEXT NOT NULL,
    finished_at REAL NOT NULL,
    body TEXT NOT NULL
  ) STRICT;
  CREATE INDEX job_history_by_end ON job_history (tenant, finished_at, key, state);
`;

const tokenBudgets = `
  CREATE TABLE limit_budgets (
    counter TEXT NOT NULL PRIMARY KEY,
    used INTEGER NOT NULL,
    ends_at REAL NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE limit_reservations (
    id TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL,
    expires_at REAL NOT NULL
  ) STRICT, WITHOUT ROWID;
`;

const webhooks = `
  CREATE TABLE webhooks (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    url TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at REAL NOT NULL,
    tries INTEGER NOT NULL,
    due_at REAL NOT NULL,
    ended_at REAL
  ) STRICT;
  CREATE INDEX webhooks_due ON webhooks (due_at) WHERE ended_at IS NULL;
  CREATE INDEX webhooks_ended ON webhooks (ended_at) WHERE ended_at IS NOT NULL;
`;

/** A job's row in the history says that it was counted. */
const usageOfHistory = 'DROP TABLE usage_facts';

const migrations: readonly string[] = [first, heldLeases, identity, facts, tokenBudgets, webhooks, usageOfHistory];

/** The version this program writes. */
export const schemaVersion = migrations.length;

/**
 * Brings the store to `schemaVersion` in one transaction. Throws an Error with a message for the operator when the file was written by a
 * newer version or isn't an Inkwell store. `target`: an earlier version, for tests of what an old store reads like.
 */
export function migrate(connection: Connection, target: number = schemaVersion): void {
  const version = connection.get<{ user_version: number }>('PRAGMA user_version')?.user_version ?? 0;
  if (version > schemaVersion) {
    throw new Error(
      `its format is version ${version}, this program knows up to ${schemaVersion}; start the newer Inkwell that wrote it, or name another data directory`,
    );
  }
  if (version === target) return;
  if (version === 0 && connection.get('SELECT 1 FROM sqlite_schema LIMIT 1') !== undefined) {
    throw new Error('it holds the tables of another program; name another data directory');
  }
  connection.exec('BEGIN IMMEDIATE');
  for (const migration of migrations.slice(version, target)) connection.exec(migration);
  connection.exec(`PRAGMA application_id = ${applicationId}`);
  connection.exec(`PRAGMA user_version = ${target}`);
  connection.exec('COMMIT');
}

/**
 * What a single owner knows when it opens the store: whoever held a lease or a claim is gone. Fences stay spent; claims without an answer
 * may be resumed at once.
 */
export function voidWhatTheLastOwnerHeld(connection: Connection): void {
  connection.exec('BEGIN IMMEDIATE');
  connection.exec('UPDATE leases SET expires_at = 0 WHERE expires_at > 0');
  connection.exec('UPDATE idempotency SET claim_expires_at = 0 WHERE response IS NULL AND claim_expires_at > 0');
  connection.exec('COMMIT');
}
