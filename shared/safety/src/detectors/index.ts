/** What word patterns cannot say. Every detector reads folded text and takes time linear in it. */
import { hasChatControl } from './chat-control.ts';
import { hasCreditCard } from './credit-card.ts';
import { hasEmail } from './email.ts';
import { hasIban } from './iban.ts';
import { hasPrivateKey } from './private-key.ts';
import { hasUsSsn } from './us-ssn.ts';

export const detectorNames = ['chat_control', 'credit_card', 'email', 'iban', 'private_key', 'us_ssn'] as const;
export type DetectorName = (typeof detectorNames)[number];

export const detectors: Readonly<Record<DetectorName, (folded: string) => boolean>> = {
  chat_control: hasChatControl,
  credit_card: hasCreditCard,
  email: hasEmail,
  iban: hasIban,
  private_key: hasPrivateKey,
  us_ssn: hasUsSsn,
};
