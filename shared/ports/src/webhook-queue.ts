/**
 * Webhooks that are still to be delivered. Promises: what `add` acknowledged is kept until it ends; an id is added once, also after it has ended;
 * what is claimed is nobody else's until then, and comes again when it isn't settled by then. Not promised: any order.
 */
export interface NewWebhook {
  /** Of the message, the same for every try: receivers know repeats by it. */
  id: string;
  tenant: string;
  url: string;
  /** JSON, sent and signed as it is. */
  body: string;
  /** Unix milliseconds, as all times here. */
  createdAt: number;
}

export interface ClaimedWebhook extends NewWebhook {
  /** Counts this one. */
  tries: number;
}

export interface WebhookClaim {
  now: number;
  limit: number;
  /** When what is claimed and not settled is due again. */
  againAt: number;
  /** Tenants that have enough under way; none of theirs is claimed. */
  notOf?: readonly string[];
}

export interface WebhookQueue {
  /** Due at once. Known ids change nothing. */
  add(webhooks: readonly NewWebhook[]): Promise<void>;
  /** At most `limit` of those that are due, the longest due first; a try is counted for each. */
  claim(claim: WebhookClaim): Promise<ClaimedWebhook[]>;
  /** It is to be tried again then. */
  postpone(id: string, until: number): Promise<void>;
  /** It was delivered or is given up: its text is forgotten, its id is not. */
  end(id: string, at: number): Promise<void>;
  /** How many have not ended. */
  waiting(): Promise<number>;
  /** Forgets the ids of those that ended before then. Answers how many. */
  pruneWebhooks(endedBefore: number): Promise<number>;
}
