/** Control tokens of chat templates in a prompt: they pretend to be another speaker. Written so by the models' own templates, hardly ever by people. */
const controls = [
  '<|im_start|>',
  '<|im_end|>',
  '<<sys>>',
  '[/inst]',
  '<|start_header_id|>',
  '<|eot_id|>',
  '<start_of_turn>',
];

export function hasChatControl(folded: string): boolean {
  return controls.some((control) => folded.includes(control));
}
