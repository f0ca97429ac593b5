/** Turns facts into what is asked for later: the audit log, usage, the history of jobs, and webhooks. */
export { createRecorder, type Recorder, type RecorderOptions } from './recorder.ts';
export { startWebhookSender, type WebhookSender, type WebhookSenderOptions } from './webhooks/webhook-sender.ts';
