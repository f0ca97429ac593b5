/** What blocks are made of. */

/** The items in order, in groups of `most`, of which only the last may be smaller. */
export function chunksOf<Item>(items: readonly Item[], most: number): Item[][] {
  const chunks: Item[][] = [];
  for (let at = 0; at < items.length; at += most) chunks.push(items.slice(at, at + most));
  return chunks;
}

/** The items in order without those whose id an earlier one has. */
export function firstOfEach<Item>(items: readonly Item[], idOf: (item: Item) => string): Item[] {
  const first = new Map<string, Item>();
  for (const item of items) if (!first.has(idOf(item))) first.set(idOf(item), item);
  return [...first.values()];
}
