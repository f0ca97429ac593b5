/** Which of these ids are in blocks already. */

/**
 * Asks for few at first and then for ever more: what is there is mostly there together, and a block that is found names all of its own. Asked for all at
 * once, a server may look through a block as often as it finds one of them in it.
 *
 * @param find all ids of the blocks in which one of these is
 */
export async function knownAmong<Id extends string>(
  ids: readonly Id[],
  find: (some: readonly Id[]) => Promise<readonly Id[]>,
): Promise<Set<Id>> {
  const known = new Set<Id>();
  let open = [...ids];
  for (let count = 1; open.length > 0; count *= 4) {
    for (const id of await find(open.slice(0, count))) known.add(id);
    open = open.slice(count).filter((id) => !known.has(id));
  }
  return known;
}
