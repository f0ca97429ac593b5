/** Leaves nothing behind on a server that others use too. */
import { connectMongo } from '../connection.ts';

export async function dropDatabase(options: Parameters<typeof connectMongo>[0]): Promise<void> {
  const connection = await connectMongo(options);
  await connection.keys.db.dropDatabase();
  await connection.close();
}
