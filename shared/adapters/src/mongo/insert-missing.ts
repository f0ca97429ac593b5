/** Inserting what may be there already: of documents with the same id, or with the same value in a unique field, the first stays. */
import type { Collection } from 'mongoose';
import { isDuplicate } from './connection.ts';

interface WriteErrors {
  writeErrors?: readonly WriteError[] | WriteError;
}
interface WriteError {
  index: number;
  code: number;
}

/** Answers those that were refused because something of theirs is there; rejects unless all others are there afterwards. */
export async function insertMissing<Document extends object>(
  collection: Collection,
  documents: readonly Document[],
): Promise<Document[]> {
  if (documents.length === 0) return [];
  try {
    await collection.insertMany(documents as never[], { ordered: false });
    return [];
  } catch (error) {
    const { writeErrors = [] } = error as WriteErrors;
    const refused = [writeErrors].flat();
    if (!isDuplicate(error) || refused.some(({ code }) => code !== 11_000)) throw error;
    return refused.map(({ index }) => documents[index]!);
  }
}
