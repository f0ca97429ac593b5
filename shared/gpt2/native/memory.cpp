#include "memory.h"

#include <sys/mman.h>

namespace inkwell {
namespace {

constexpr size_t kHugePage = size_t{1} << 21;

}  // namespace

Memory::Memory(size_t bytes, Pages pages) : mapped_bytes_(bytes + kHugePage), data_(nullptr), bytes_(bytes) {
  mapping_ = mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON | MAP_NORESERVE, -1, 0);
  if (mapping_ == MAP_FAILED) return;
  data_ = reinterpret_cast<uint8_t*>((reinterpret_cast<uintptr_t>(mapping_) + kHugePage - 1) / kHugePage * kHugePage);
#if defined(MADV_HUGEPAGE)
  // Advice: whether it is taken changes the speed, nothing else.
  (void)madvise(data_, bytes_, pages == Pages::huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#else
  (void)pages;
#endif
}

Memory::~Memory() {
  if (mapping_ != MAP_FAILED) munmap(mapping_, mapped_bytes_);
}

}  // namespace inkwell
