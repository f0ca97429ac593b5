/**
 * One HTTP operation as data: where it is, who may call it, what it takes and answers, and the function that does it. The router and the
 * OpenAPI document are both made from this, so they cannot disagree.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ErrorCode, Scope } from '@inkwell/contracts';
import type { z } from 'zod';
import type { Caller } from './auth/caller.ts';
import type { GatewayContext } from './context.ts';

/**
 * `open` needs nothing; `key` any valid credential (API key, access token, console session); `person` a token or session of somebody who signed
 * in; `operator` and `superuser` that role at least; `monitor` an operator's, or nothing from this machine itself.
 */
export type Access = 'open' | 'key' | 'person' | 'operator' | 'superuser' | 'monitor';

/**
 * `job`: counted where the job is accepted, with its tokens. `request`: one creating request. `read`: passes the gate for readings. `none`: not
 * counted.
 */
export type LimitKind = 'job' | 'request' | 'read' | 'none';

export interface Call<P = unknown, Q = unknown, B = unknown> {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  /** On open operations nobody: a caller without tenant. */
  readonly caller: Caller;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** SHA-256 (hex) of method, path and canonical body: equal for equal requests. Made when it is asked for. */
  readonly requestHash: string;
  /** Aborts when the client goes away before it has its answer. */
  readonly gone: AbortSignal;
  /** For calls that revoke what they came with themselves: they still get their answer. */
  outliveRevocation(): void;
}

export type BodyType = 'json' | 'form';

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Cookies to set; an answer with cookies is never stored. */
  readonly cookies?: readonly string[];
  readonly contentType: string;
  readonly body: string | Buffer;
}

export interface DocumentedAnswer {
  readonly description: string;
  /** Media type → schema of its body. */
  readonly content?: Readonly<Record<string, z.ZodType>>;
}

interface DocumentedHeader {
  readonly description: string;
  /** What a value must look like, as a regular expression of JSON Schema; a value that does not is `invalid_header`. */
  readonly pattern?: string;
}

/** A condition that no JSON Schema expresses; a request that fits the schema and breaks it is refused, with the field's name. */
export interface Rule {
  /** The field that is named. */
  readonly param: string;
  /** Default: `invalid_parameter`. */
  readonly code?: ErrorCode;
  readonly rule: string;
}

export interface Operation<P = unknown, Q = unknown, B = unknown> {
  readonly id: string;
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** With `{name}` for parameters. */
  readonly path: `/${string}`;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly access: Access;
  /** What the credential must be good for. Without it the operation is closed to those that were given a list of scopes. */
  readonly scope?: Scope;
  /** Default: `read`; `none` for operations that are open or for monitoring. */
  readonly limit?: LimitKind;
  readonly params?: z.ZodType<P>;
  readonly query?: z.ZodType<Q>;
  readonly body?: z.ZodType<B>;
  /** Forms in which the body may come; JSON alone when left out. */
  readonly bodyTypes?: readonly BodyType[];
  /** `oauth`: errors in the shape of RFC 6749, section 5.2, as its clients expect. */
  readonly errorShape?: 'oauth';
  /** Request headers it heeds. */
  readonly headers?: Readonly<Record<string, DocumentedHeader>>;
  /** What its schemas cannot say. */
  readonly rules?: readonly Rule[];
  readonly answers: Readonly<Record<number, DocumentedAnswer>>;
  /** Errors of its own, beside those every operation of its kind can answer. */
  readonly errors?: readonly ErrorCode[];
  /** Answers, or nothing when it has written the response itself. */
  handle(call: Call<P, Q, B>, gateway: GatewayContext): Promise<Answer | undefined>;
}

/** Gives an operation's handler the types of its schemas. */
export function defineOperation<P, Q, B>(operation: Operation<P, Q, B>): Operation<P, Q, B> {
  return operation;
}

export function json(status: number, value: unknown, headers?: Record<string, string>): Answer {
  return { status, headers, contentType: 'application/json', body: JSON.stringify(value) };
}

/** The documented form of a JSON answer. */
export function jsonAnswer(description: string, schema: z.ZodType): DocumentedAnswer {
  return { description, content: { 'application/json': schema } };
}
