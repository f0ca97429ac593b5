/**
 * The one error type this package throws for bad input: a model directory that cannot be used, or a number that cannot
 * be sampled from. It guarantees a message that names the file or field and says what to do; mapping it to a public
 * error code is left to the caller.
 */
export class ModelError extends Error {
  override readonly name = 'ModelError';
}
