/** What floors answer: the shape and about the size of a real answer. */
export function completion(id: string): object {
  return {
    id,
    object: 'text_completion',
    created: 1_700_000_000,
    model: 'none',
    choices: [{ index: 0, text: ' the', finish_reason: 'length', logprobs: null }],
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  };
}

export function chunk(id: string, text: string, last: boolean): object {
  return {
    id,
    object: 'text_completion',
    created: 1_700_000_000,
    model: 'none',
    choices: [{ index: 0, text, finish_reason: last ? 'length' : null, logprobs: null }],
  };
}
