/** Inserting what may be there already: of documents with the same id the first stays. */
import type { Collection } from 'mongoose';
import { isDuplicate } from './connection.ts';

interface WriteErrors {
  writeErrors?: readonly { code: number }[] | { code: number };
}

/** Rejects unless every document is there afterwards. */
export async function insertMissing(collection: Collection, documents: readonly { _id: string }[]): Promise<void> {
  if (documents.length === 0) return;
  try {
    await collection.insertMany(documents as never[], { ordered: false });
  } catch (error) {
    const { writeErrors = [] } = error as WriteErrors;
    const others = [writeErrors].flat().filter(({ code }) => code !== 11_000);
    if (!isDuplicate(error) || others.length > 0) throw error;
  }
}
