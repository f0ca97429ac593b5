/**
 * What every request passes before its operation, one after the other. A gate looks, notes headers, answers by itself or throws.
 */
import type { Request, Response } from 'express';

/** Whether the request goes on; if not, it has been answered. */
export type Gate = (request: Request, response: Response) => boolean;
