/** Measures of how well a backend predicts text. */
export { heldOutDocuments } from './quality/held-out.ts';
export { type Loss, lossOf, perplexityOf } from './quality/perplexity.ts';
