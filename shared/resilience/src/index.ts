/** Deadlines, retries, budgets and circuit breakers for everything that is asked of other processes; the life of such a process itself. */
export type { Breaker, BreakerListener, BreakerOptions, BreakerState, RefusalReason } from './breaker.ts';
export { createBreaker, isOutage } from './breaker.ts';
export { Budget, currentBudget, withBudget, withoutBudget } from './budget.ts';
export { DeadlineError, Deadlines, withDeadline } from './deadline.ts';
export type { Backoff, RetryOptions } from './retry.ts';
export { pauseAfter, retry } from './retry.ts';
export { runService, type Service } from './run-service.ts';
export { TurnoverMap } from './turnover-map.ts';
export { TurnoverSet } from './turnover-set.ts';
