/**
 * Flags of Node for a process that computes a model and should be small: garbage that loading leaves behind can be collected when it is done (`loadModel`
 * does), and young objects, of which a step makes few, get 4 MB three times over instead of 16.
 */
export const modelProcessFlags = ['--expose-gc', '--max-semi-space-size=4'] as const;
