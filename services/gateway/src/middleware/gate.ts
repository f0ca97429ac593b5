/**
 * What every request passes before its operation: a list of gates, run one after the other in a single layer of the router. A gate looks,
 * sets headers, answers by itself or throws.
 */
import type { Request, RequestHandler, Response } from 'express';

/** Whether the request goes on; if not, it has been answered. */
export type Gate = (request: Request, response: Response) => boolean;

/** @param enter what lies behind the last gate */
export function throughGates(gates: readonly Gate[], enter: RequestHandler): RequestHandler {
  return (request, response, next) => {
    for (const gate of gates) if (!gate(request, response)) return;
    return enter(request, response, next);
  };
}
