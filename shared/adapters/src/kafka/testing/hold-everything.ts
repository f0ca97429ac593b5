/** A worker that is made to be killed: holds whatever it is handed and says so. Arguments: brokers, prefix of topics, group. */
import { systemClock } from '@inkwell/ports';
import { openKafkaBus } from '../index.ts';

const [brokers = '', topicPrefix = '', groupId = ''] = process.argv.slice(2);
const bus = await openKafkaBus({ brokers: brokers.split(','), topicPrefix, groupId, clock: systemClock });
await bus.jobBus.consume({
  workerId: 'doomed',
  onDelivery: ({ message }) => process.stdout.write(`${message.key}\n`),
  onTakenBack: () => {},
  onCancel: () => {},
  signal: new AbortController().signal,
});
