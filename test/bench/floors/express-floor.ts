/** The least an HTTP server in express does: reads a JSON body and answers a completion at once. No queue, no features. Prints its port. */
import express from 'express';
import { completion } from './completion.ts';

const app = express();
app.post('/v1/completions', express.json(), (_request, response) => void response.json(completion('floor')));
const server = app.listen(0, '127.0.0.1', () => {
  const address = server.address();
  server.keepAliveTimeout = 60_000;
  process.stdout.write(`listening ${typeof address === 'object' ? address?.port : ''}\n`);
});
