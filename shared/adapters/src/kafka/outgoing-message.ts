/** What is written to Kafka, and how much of it shares a message. */
import type { IHeaders, Message } from 'kafkajs';

export interface OutgoingMessage {
  topic: string;
  partition: number;
  key: string | Buffer | null;
  value: string | Buffer | null;
  headers?: IHeaders;
}

/** JSON whose readers take lists: what goes to one partition together becomes a list in one message. */
export interface ListedMessage extends OutgoingMessage {
  key: null;
  value: string;
  listed: true;
}

/** A message is read whole, and the broker takes none of a mebibyte; one value alone may be longer. */
const mostCharactersPerList = 200_000;

const isListed = (message: OutgoingMessage): message is ListedMessage => 'listed' in message;

/** The messages of one topic, those of each partition in order. kafkajs takes some 20 µs to write one, whatever its length. */
export function toMessages(outgoing: readonly OutgoingMessage[]): Message[] {
  const messages: Message[] = [];
  const open = new Map<number, { values: string[]; length: number }>();
  const close = (partition: number) => {
    const list = open.get(partition);
    if (list !== undefined) messages.push({ partition, key: null, value: `[${list.values.join(',')}]` });
    open.delete(partition);
  };
  for (const message of outgoing) {
    const { partition } = message;
    const list = open.get(partition);
    if (!isListed(message)) {
      close(partition);
      messages.push(message);
    } else if (list !== undefined && list.length + message.value.length <= mostCharactersPerList) {
      list.values.push(message.value);
      list.length += message.value.length;
    } else {
      close(partition);
      open.set(partition, { values: [message.value], length: message.value.length });
    }
  }
  for (const partition of open.keys()) close(partition);
  return messages;
}
