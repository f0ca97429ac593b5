#include "pool.h"

#include <system_error>

namespace inkwell {
namespace {

/** Looks at a changing word before going to sleep: some 30 µs, longer than a caller needs between two jobs of a step. */
constexpr int kSpins = 1500;

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

}  // namespace

Pool::Pool(int32_t threads) {
  helpers_.reserve(threads - 1);
  try {
    for (int32_t thread = 1; thread < threads; thread++) helpers_.emplace_back([this, thread] { serve(thread); });
  } catch (const std::system_error&) {
    // Those that did start share the work.
  }
}

Pool::~Pool() {
  stopping_ = true;
  generation_++;
  generation_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void Pool::work(int32_t thread) {
  for (;;) {
    uint64_t ticket = ticket_;
    const auto left = static_cast<int32_t>(ticket);
    if (left == 0) return;
    // Success proves that the job whose ticket was read is still the current one, so its fields may be read now.
    if (!ticket_.compare_exchange_weak(ticket, ticket - 1)) continue;
    const int32_t chunks = chunks_;
    job_(context_, chunks - left, thread);
    if (++done_ == chunks && caller_waits_) done_.notify_one();
  }
}

void Pool::await_done(int32_t chunks) {
  for (int spins = 0; spins < kSpins; spins++) {
    if (done_ == chunks) return;
    relax();
  }
  caller_waits_ = true;
  for (int32_t done = done_; done != chunks; done = done_) done_.wait(done);
  caller_waits_ = false;
}

void Pool::run(int32_t chunks, Job job, const void* context) {
  if (chunks <= 1 || helpers_.empty()) {
    for (int32_t chunk = 0; chunk < chunks; chunk++) job(context, chunk, 0);
    return;
  }
  chunks_ = chunks;
  job_ = job;
  context_ = context;
  done_ = 0;
  ticket_ = (((ticket_ >> 32) + 1) << 32) | static_cast<uint32_t>(chunks);
  generation_++;
  if (sleepers_ > 0) generation_.notify_all();
  work(0);
  await_done(chunks);
}

void Pool::serve(int32_t thread) {
  while (!stopping_) {
    const int32_t generation = generation_;
    work(thread);
    int spins = 0;
    while (spins < kSpins && generation_ == generation) {
      relax();
      spins++;
    }
    if (spins < kSpins) continue;
    sleepers_++;
    generation_.wait(generation);
    sleepers_--;
  }
}

}  // namespace inkwell
