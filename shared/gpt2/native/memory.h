/** Memory from the system: zero until written, and not resident until then. */
#pragma once
#include <cstddef>
#include <cstdint>

namespace inkwell {

class Memory {
 public:
  enum class Pages { small, huge };

  /** @param pages huge for what is read from end to end, if the system has such; small for what may stay empty */
  Memory(size_t bytes, Pages pages);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  /** nullptr if the system has no memory left. */
  uint8_t* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  void* mapping_;
  size_t mapped_bytes_;
  uint8_t* data_;
  size_t bytes_;
};

}  // namespace inkwell
