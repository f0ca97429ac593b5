/** Turns facts into what is asked for later: the audit log, usage, and the history of jobs. */
export { createRecorder, type Recorder, type RecorderOptions } from './recorder.ts';
