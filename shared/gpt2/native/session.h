/** A loaded model: its memory, its threads, and the records that describe it to the kernels. */
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "memory.h"
#include "model.h"
#include "pool.h"

namespace inkwell {

/** Kernels this processor can run, the fastest first. */
std::vector<const Kernels*> usable_kernels();

/** A step as JavaScript gives it: validated there (src/backends/native/backend.ts), since every number here becomes an address. */
struct StepInput {
  std::span<const int32_t> tokens, positions, sequences, slots, tables, selection;
  int32_t table_width;
  /** [selection.size(), vocabulary] */
  float* logits;
};

class Session {
 public:
  /**
   * @param description the numbers of src/backends/native/description.ts, in its order
   * @return null with `problem` set if they are not that, or memory is short
   */
  static std::unique_ptr<Session> create(std::span<const double> description, const Kernels& kernels, std::string& problem);

  int32_t threads() const { return pool_.threads(); }
  int32_t vocabulary() const { return model_.lm_head.columns; }
  /** The weights' place, to be filled before the first step. Shared: an ArrayBuffer over it may outlive the session. */
  const std::shared_ptr<Memory>& image() const { return image_; }

  /** False if memory for the step is short. */
  bool forward(const StepInput& input);

 private:
  Session(const Kernels& kernels, int32_t threads) : kernels_(kernels), pool_(threads) {}

  const Kernels& kernels_;
  Pool pool_;
  std::shared_ptr<Memory> image_;
  std::optional<Memory> cache_;
  std::optional<Memory> buffers_;
  Model model_{};
  std::vector<Layer> layers_;
};

}  // namespace inkwell
