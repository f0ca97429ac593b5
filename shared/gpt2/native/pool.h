/**
 * Threads that share a job: each takes the next chunk by compare-and-swap until none is left. A thread that the system holds up delays only the
 * chunk it has taken; one that wakes late finds nothing to take. Which thread computes a chunk varies; what a chunk computes does not.
 */
#pragma once
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace inkwell {

class Pool {
 public:
  using Job = void (*)(const void* context, int32_t chunk, int32_t thread);

  /** @param threads including the caller of run; if the system gives fewer, threads() says so */
  explicit Pool(int32_t threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int32_t threads() const { return static_cast<int32_t>(helpers_.size()) + 1; }

  /** Returns when all chunks are finished. To be called by one thread at a time. */
  void run(int32_t chunks, Job job, const void* context);

 private:
  void work(int32_t thread);
  void serve(int32_t thread);
  void await_done(int32_t chunks);

  /** Generation in the high half, chunks not yet taken in the low half. */
  alignas(64) std::atomic<uint64_t> ticket_{0};
  alignas(64) std::atomic<int32_t> generation_{0};
  std::atomic<int32_t> sleepers_{0};
  std::atomic<bool> stopping_{false};
  alignas(64) std::atomic<int32_t> done_{0};
  std::atomic<bool> caller_waits_{false};
  alignas(64) int32_t chunks_ = 0;
  Job job_ = nullptr;
  const void* context_ = nullptr;
  std::vector<std::thread> helpers_;
};

}  // namespace inkwell
