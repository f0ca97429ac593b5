/** Where accounts are kept: in the cluster's MongoDB when it is named, else in the embedded store, which must not be running. */
import { join, resolve } from 'node:path';
import { openEmbeddedStore } from '@inkwell/adapters/embedded';
import { openMongoStore } from '@inkwell/adapters/mongo';
import { readClusterConfig } from '@inkwell/contracts';
import { systemClock, type UserStore } from '@inkwell/ports';
import { openDataDirectory } from '../data-directory.ts';

export interface OpenUserStore {
  userStore: UserStore;
  close(): Promise<void>;
}

/** Throws an Error for people when the store cannot be opened. */
export async function openUserStore(environment: NodeJS.ProcessEnv): Promise<OpenUserStore> {
  const config = readClusterConfig(environment);
  if (config.MONGO_URL !== undefined) {
    return openMongoStore({ url: config.MONGO_URL, database: config.INKWELL_NAMESPACE });
  }
  const dataDir = resolve(config.INKWELL_DATA_DIR);
  openDataDirectory(dataDir);
  return openEmbeddedStore({ directory: join(dataDir, 'store'), clock: systemClock });
}
