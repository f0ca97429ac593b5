#include "session.h"

#include <algorithm>

#if defined(__aarch64__) && !defined(__APPLE__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace inkwell {
namespace {

/** Reads the description's numbers one after the other. */
class Reader {
 public:
  Reader(std::span<const double> numbers, const Memory& image) : numbers_(numbers), image_(image) {}

  double number() { return next_ < numbers_.size() ? numbers_[next_++] : (ok_ = false, 0.0); }
  int32_t whole() { return static_cast<int32_t>(number()); }

  const uint8_t* place() {
    const double offset = number();
    if (offset < 0 || offset >= static_cast<double>(image_.bytes())) ok_ = false;
    return ok_ ? image_.data() + static_cast<size_t>(offset) : image_.data();
  }
  const float* floats() { return reinterpret_cast<const float*>(place()); }

  Matrix matrix() {
    Matrix m{};
    m.kind = static_cast<WeightKind>(whole());
    m.depth = whole();
    m.padded_depth = whole();
    m.columns = whole();
    m.weight = place();
    m.scales = floats();
    m.bias = floats();
    m.group_scales = place();
    return m;
  }

  /** Everything was there, and nothing is left. */
  bool done() const { return ok_ && next_ == numbers_.size(); }

 private:
  std::span<const double> numbers_;
  const Memory& image_;
  size_t next_ = 0;
  bool ok_ = true;
};

constexpr size_t kHeaderNumbers = 13;

size_t aligned(size_t bytes) { return (bytes + 16 + 63) / 64 * 64; }

/** Hands out places one after the other, each on a cache line, with room for a vector read beyond the end. */
class Arena {
 public:
  explicit Arena(uint8_t* start) : start_(start) {}

  template <class T>
  T* take(size_t count) {
    auto* place = reinterpret_cast<T*>(start_ + used_);
    used_ += aligned(count * sizeof(T));
    return start_ == nullptr ? nullptr : place;
  }

  size_t used() const { return used_; }

 private:
  uint8_t* start_;
  size_t used_ = 0;
};

/** Lays out the buffers of a step; with no memory it only counts. */
size_t place_buffers(uint8_t* start, const Model& model, int32_t threads, Step& step) {
  Arena arena(start);
  const auto rows = static_cast<size_t>(step.rows);
  step.x = arena.take<float>(rows * model.width);
  step.qkv = arena.take<float>(rows * 3 * model.width);
  step.attended = arena.take<float>(rows * model.width);
  step.hidden = arena.take<float>(rows * model.inner);
  step.integers = arena.take<uint8_t>(rows * integer_row_bytes(model));
  step.integer_scales = arena.take<float>(rows);
  step.scratch_bytes = scratch_bytes(model, step.table_width);
  step.scratch = arena.take<uint8_t>(threads * step.scratch_bytes);
  return arena.used();
}

#if defined(__aarch64__)
/** SDOT, from Armv8.2 on where the processor's maker wanted it; every Mac has it. */
bool has_dot_product() {
#if defined(__APPLE__)
  return true;
#else
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#endif
}
#endif

}  // namespace

std::vector<const Kernels*> usable_kernels() {
  std::vector<const Kernels*> kernels;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni")) {
      kernels.push_back(&kAvx512Vnni);
    }
    kernels.push_back(&kAvx2);
  }
#elif defined(__aarch64__)
  if (has_dot_product()) kernels.push_back(&kNeonDotProduct);
  kernels.push_back(&kNeon);
#endif
  kernels.push_back(&kPortable);
  return kernels;
}

std::unique_ptr<Session> Session::create(std::span<const double> description, const Kernels& kernels, std::string& problem) {
  if (description.size() < kHeaderNumbers) {
    problem = "the description is too short";
    return nullptr;
  }
  const auto image_bytes = static_cast<size_t>(description[0]);
  const auto block_count = static_cast<size_t>(description[1]);
  const auto threads = static_cast<int32_t>(description[2]);
  std::unique_ptr<Session> session(new Session(kernels, threads));
  session->image_ = std::make_shared<Memory>(image_bytes, Memory::Pages::huge);
  if (session->image_->data() == nullptr) {
    problem = "no memory for the weights";
    return nullptr;
  }
  Reader reader(description.subspan(3), *session->image_);
  Model& model = session->model_;
  model.layers = reader.whole();
  model.width = reader.whole();
  model.heads = reader.whole();
  model.head_width = model.width / std::max(1, model.heads);
  model.head_stride = (model.head_width + 15) / 16 * 16;
  model.inner = reader.whole();
  model.activation = reader.whole();
  model.epsilon = static_cast<float>(reader.number());
  model.block_size = reader.whole();
  model.kv_bits = reader.whole();
  model.wte = reader.matrix();
  model.wpe = reader.floats();
  model.ln_f_gain = reader.floats();
  model.ln_f_bias = reader.floats();
  model.lm_head = reader.matrix();

  const size_t places = static_cast<size_t>(model.heads) * model.block_size * block_count;
  const size_t integers = places * model.head_stride * model.kv_bits / 8;
  const size_t scales = places * (model.kv_bits == 4 ? sizeof(uint16_t) : sizeof(float));
  const size_t layer_bytes = 2 * (integers + scales);
  session->cache_.emplace(std::max<size_t>(1, layer_bytes * model.layers), Memory::Pages::small);
  uint8_t* cache = session->cache_->data();
  if (cache == nullptr) {
    problem = "no memory for the KV cache";
    return nullptr;
  }
  for (int32_t index = 0; index < model.layers; index++, cache += layer_bytes) {
    Layer layer{};
    layer.ln_1_gain = reader.floats();
    layer.ln_1_bias = reader.floats();
    layer.c_attn = reader.matrix();
    layer.c_proj = reader.matrix();
    layer.ln_2_gain = reader.floats();
    layer.ln_2_bias = reader.floats();
    layer.c_fc = reader.matrix();
    layer.mlp_c_proj = reader.matrix();
    layer.score_scale = static_cast<float>(reader.number());
    layer.keys = reinterpret_cast<int8_t*>(cache);
    layer.values = layer.keys + integers;
    layer.key_scales = reinterpret_cast<float*>(cache + 2 * integers);
    layer.value_scales = layer.key_scales + places;
    layer.key_scales4 = reinterpret_cast<uint16_t*>(cache + 2 * integers);
    layer.value_scales4 = layer.key_scales4 + places;
    session->layers_.push_back(layer);
  }
  model.layer = session->layers_.data();
  if (!reader.done()) {
    problem = "the description does not fit this add-on";
    return nullptr;
  }
  return session;
}

bool Session::forward(const StepInput& input) {
  Step step{};
  step.rows = static_cast<int32_t>(input.tokens.size());
  step.tokens = input.tokens.data();
  step.positions = input.positions.data();
  step.sequences = input.sequences.data();
  step.slots = input.slots.data();
  step.tables = input.tables.data();
  step.table_width = input.table_width;
  step.selection = input.selection.data();
  step.selected = static_cast<int32_t>(input.selection.size());
  step.logits = input.logits;
  int64_t attended = 0;
  for (const int32_t position : input.positions) attended += position + 1;
  step.mean_length = static_cast<int32_t>((attended + step.rows - 1) / step.rows);
  // Prefill has many rows of one sequence, decoding one of each.
  step.rows_first = input.tokens.size() > 2 * (input.tables.size() / input.table_width);

  const size_t bytes = place_buffers(nullptr, model_, pool_.threads(), step);
  if (!buffers_ || buffers_->bytes() < bytes) {
    buffers_.emplace(bytes + bytes / 4, Memory::Pages::small);
    if (buffers_->data() == nullptr) {
      buffers_.reset();
      return false;
    }
  }
  place_buffers(buffers_->data(), model_, pool_.threads(), step);
  kernels_.step(pool_, model_, step);
  return true;
}

}  // namespace inkwell
