/**
 * The add-on's face to JavaScript, in plain Node-API: src/backends/native/addon.ts describes it. Arguments are checked for their type and length; that
 * the numbers in them are valid places is the caller's promise.
 */
#include <node_api.h>

#include <cstring>
#include <memory>
#include <string>

#include "session.h"

namespace inkwell {
namespace {

napi_value fail(napi_env env, const char* message) {
  napi_throw_type_error(env, nullptr, message);
  return nullptr;
}

template <size_t N>
bool arguments(napi_env env, napi_callback_info info, napi_value (&values)[N]) {
  size_t count = N;
  if (napi_get_cb_info(env, info, &count, values, nullptr, nullptr) == napi_ok && count == N) return true;
  fail(env, "wrong number of arguments");
  return false;
}

/** The elements of a typed array of this type, or false with an exception. */
template <class T>
bool elements(napi_env env, napi_value value, napi_typedarray_type wanted, std::span<T>& to) {
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok || type != wanted) {
    fail(env, "a typed array of another type was expected");
    return false;
  }
  to = std::span<T>(static_cast<T*>(data), length);
  return true;
}

using Handle = std::unique_ptr<Session>;

Handle* handle_of(napi_env env, napi_value value) {
  void* data = nullptr;
  if (napi_get_value_external(env, value, &data) != napi_ok) {
    fail(env, "a session was expected");
    return nullptr;
  }
  return static_cast<Handle*>(data);
}

/** As handle_of; throws if the session was disposed. */
Session* session_of(napi_env env, napi_value value) {
  Handle* handle = handle_of(env, value);
  if (handle == nullptr) return nullptr;
  if (!*handle) fail(env, "the session was disposed");
  return handle->get();
}

/** instructions(): string[] */
napi_value instructions(napi_env env, napi_callback_info) {
  napi_value list;
  napi_create_array(env, &list);
  uint32_t index = 0;
  for (const Kernels* kernels : usable_kernels()) {
    napi_value name;
    napi_create_string_utf8(env, kernels->name, NAPI_AUTO_LENGTH, &name);
    napi_set_element(env, list, index++, name);
  }
  return list;
}

/** create(description: Float64Array, instructions: string): Session */
napi_value create(napi_env env, napi_callback_info info) {
  napi_value values[2];
  if (!arguments(env, info, values)) return nullptr;
  std::span<double> description;
  if (!elements(env, values[0], napi_float64_array, description)) return nullptr;
  char name[32];
  size_t length = 0;
  if (napi_get_value_string_utf8(env, values[1], name, sizeof name, &length) != napi_ok) return fail(env, "instructions: not a string");
  for (const Kernels* kernels : usable_kernels()) {
    if (std::strcmp(kernels->name, name) != 0) continue;
    std::string problem;
    auto handle = std::make_unique<Handle>(Session::create(description, *kernels, problem));
    if (!*handle) return fail(env, problem.c_str());
    napi_value external;
    const auto finalize = [](napi_env, void* data, void*) { delete static_cast<Handle*>(data); };
    if (napi_create_external(env, handle.get(), finalize, nullptr, &external) != napi_ok) return fail(env, "no handle");
    handle.release();
    return external;
  }
  return fail(env, "instructions: this processor has none of that name");
}

/** image(session): ArrayBuffer */
napi_value image(napi_env env, napi_callback_info info) {
  napi_value values[1];
  if (!arguments(env, info, values)) return nullptr;
  Session* session = session_of(env, values[0]);
  if (session == nullptr) return nullptr;
  auto* shared = new std::shared_ptr<Memory>(session->image());
  const auto finalize = [](napi_env, void*, void* hint) { delete static_cast<std::shared_ptr<Memory>*>(hint); };
  napi_value buffer;
  if (napi_create_external_arraybuffer(env, (*shared)->data(), (*shared)->bytes(), finalize, shared, &buffer) != napi_ok) {
    delete shared;
    return fail(env, "no ArrayBuffer over memory of the add-on can be had here");
  }
  return buffer;
}

/** threads(session): number */
napi_value threads(napi_env env, napi_callback_info info) {
  napi_value values[1];
  if (!arguments(env, info, values)) return nullptr;
  const Session* session = session_of(env, values[0]);
  if (session == nullptr) return nullptr;
  napi_value count;
  napi_create_int32(env, session->threads(), &count);
  return count;
}

/** forward(session, tokens, positions, sequences, slots, tables, tableWidth, selection, logits: Float32Array): void */
napi_value forward(napi_env env, napi_callback_info info) {
  napi_value values[9];
  if (!arguments(env, info, values)) return nullptr;
  Session* session = session_of(env, values[0]);
  if (session == nullptr) return nullptr;
  std::span<int32_t> tokens, positions, sequences, slots, tables, selection;
  std::span<float> logits;
  int32_t table_width = 0;
  if (!elements(env, values[1], napi_int32_array, tokens) || !elements(env, values[2], napi_int32_array, positions) ||
      !elements(env, values[3], napi_int32_array, sequences) || !elements(env, values[4], napi_int32_array, slots) ||
      !elements(env, values[5], napi_int32_array, tables) || !elements(env, values[7], napi_int32_array, selection) ||
      !elements(env, values[8], napi_float32_array, logits)) {
    return nullptr;
  }
  if (napi_get_value_int32(env, values[6], &table_width) != napi_ok || table_width < 1) return fail(env, "tableWidth: not a count");
  const size_t rows = tokens.size();
  if (rows == 0 || positions.size() != rows || sequences.size() != rows || slots.size() != rows || tables.size() % table_width != 0 ||
      logits.size() < selection.size() * session->vocabulary()) {
    return fail(env, "the step's arrays do not fit together");
  }
  const StepInput input = {tokens, positions, sequences, slots, tables, selection, table_width, logits.data()};
  if (!session->forward(input)) return fail(env, "no memory for the step");
  return nullptr;
}

/** dispose(session): void */
napi_value dispose(napi_env env, napi_callback_info info) {
  napi_value values[1];
  if (!arguments(env, info, values)) return nullptr;
  if (Handle* handle = handle_of(env, values[0])) handle->reset();
  return nullptr;
}

void define(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
  napi_set_named_property(env, exports, name, function);
}

}  // namespace
}  // namespace inkwell

NAPI_MODULE_INIT() {
  using namespace inkwell;
  define(env, exports, "instructions", instructions);
  define(env, exports, "create", create);
  define(env, exports, "image", image);
  define(env, exports, "threads", threads);
  define(env, exports, "forward", forward);
  define(env, exports, "dispose", dispose);
  // Which sources this was built from: the loader refuses an add-on of other ones.
  napi_value source;
  napi_create_string_utf8(env, INKWELL_SOURCE_HASH, NAPI_AUTO_LENGTH, &source);
  napi_set_named_property(env, exports, "sourceHash", source);
  return exports;
}
