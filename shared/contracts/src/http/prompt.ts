/**
 * The prompt in its four OpenAI forms: a text, several texts, token ids, several lists of token ids. Written by hand rather than as a union
 * because it must stop at the first fault: a union would collect one error per element of a very long list.
 */
import { z } from 'zod';
import { characterCount } from './text.ts';

export const maxPromptCharacters = 10_000;
const maxPrompts = 16;

export type Prompt = string | string[] | number[] | number[][];

interface Fault {
  path: number[];
  message: string;
}

const isTokenId = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function faultOfText(text: string, path: number[]): Fault | undefined {
  if (text.length > 0 && characterCount(text, maxPromptCharacters) <= maxPromptCharacters) return undefined;
  return { path, message: `must have 1 to ${maxPromptCharacters} characters` };
}

function faultOfTokens(tokens: readonly unknown[], path: number[]): Fault | undefined {
  if (tokens.length === 0) return { path, message: 'must not be empty' };
  const wrong = tokens.findIndex((token) => !isTokenId(token));
  return wrong < 0 ? undefined : { path: [...path, wrong], message: 'must be a token id like the ones before it' };
}

function faultOfList(list: readonly unknown[]): Fault | undefined {
  if (typeof list[0] === 'number') return faultOfTokens(list, []);
  if (list.length === 0 || list.length > maxPrompts)
    return { path: [], message: `must hold 1 to ${maxPrompts} prompts` };
  const textual = typeof list[0] === 'string';
  for (const [index, item] of list.entries()) {
    if (textual ? typeof item !== 'string' : !Array.isArray(item)) {
      return { path: [index], message: 'must be a text, or every item a list of token ids' };
    }
    const fault = textual ? faultOfText(item as string, [index]) : faultOfTokens(item as unknown[], [index]);
    if (fault) return fault;
  }
  return undefined;
}

function faultOfPrompt(value: unknown): Fault | undefined {
  if (typeof value === 'string') return faultOfText(value, []);
  if (Array.isArray(value)) return faultOfList(value);
  return { path: [], message: 'must be a text, a list of texts, a list of token ids or a list of such lists' };
}

const tokenListSchema = { type: 'array', minItems: 1, items: { type: 'integer', minimum: 0 } } as const;
const textSchema = { type: 'string', minLength: 1, maxLength: maxPromptCharacters } as const;

export const promptSchema = z
  .unknown()
  .transform((value, context) => {
    const fault = faultOfPrompt(value);
    if (fault) context.addIssue({ code: 'custom', path: fault.path, message: fault.message });
    return value as Prompt;
  })
  .meta({
    description: `What to continue: a text of 1 to ${maxPromptCharacters} characters, up to ${maxPrompts} texts, token ids, or lists of them.`,
    anyOf: [
      textSchema,
      { type: 'array', minItems: 1, maxItems: maxPrompts, items: textSchema },
      tokenListSchema,
      { type: 'array', minItems: 1, maxItems: maxPrompts, items: tokenListSchema },
    ],
    example: 'It was a dark and stormy night',
  });
