// Results on their way to callbacks and to those who wait for one.
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "src/client_object.hpp"

namespace xase::python {

// One allocation, the texts behind it.
struct ResultNode {
  ResultNode* next;
  xase_error code;
  uint16_t http_status;
  bool replayed;
  uint64_t sequence;
  std::size_t producer_bytes;
  std::size_t answer_bytes;
  char* producer() noexcept { return reinterpret_cast<char*>(this + 1); }
  char* answer() noexcept { return producer() + producer_bytes; }
};

namespace {

// While records are on their way, and while none is.
constexpr long kBusyNs = 2'000'000;
constexpr long kIdleNs = 25'000'000;

PyObject* tuple_of(ResultNode& node) noexcept {
  const bool failed = node.code != XASE_OK;
  return Py_BuildValue("(sHs#s#KO)", failed ? xase_error_name(node.code) : "OK", node.http_status,
                       node.answer(), static_cast<Py_ssize_t>(node.answer_bytes), node.producer(),
                       static_cast<Py_ssize_t>(node.producer_bytes),
                       static_cast<unsigned long long>(node.sequence),
                       node.replayed ? Py_True : Py_False);
}

// Waits until there is a result, for at most `wait_ms`. Whether records are still on their way.
bool wait_for_results(ClientObject& self, int wait_ms) noexcept {
  long left_ns = wait_ms * 1'000'000L;
  while (true) {
    xase_poll(self.client, 0);
    xase_counts counts = XASE_COUNTS_INIT;
    const bool outstanding = xase_stats(self.client, &counts) == XASE_OK && counts.pending != 0;
    if (self.first != nullptr || left_ns <= 0 || self.stop->load(std::memory_order_acquire)) {
      return outstanding;
    }
    const timespec pause{0, std::min(left_ns, outstanding ? kBusyNs : kIdleNs)};
    nanosleep(&pause, nullptr);
    left_ns -= pause.tv_nsec;
  }
}

}  // namespace

// A result for which there is no memory is lost to the callback; the ledger has it.
void keep_result(const xase_receipt* receipt, void* user) noexcept {
  ClientObject& self = *static_cast<ClientObject*>(user);
  const std::size_t bytes = sizeof(ResultNode) + receipt->producer_id.size + receipt->answer.size;
  auto* node = static_cast<ResultNode*>(std::malloc(bytes));
  if (node == nullptr) return;
  *node = {nullptr,
           receipt->code,
           receipt->http_status,
           receipt->replayed != 0,
           receipt->sequence,
           receipt->producer_id.size,
           receipt->answer.size};
  std::memcpy(node->producer(), receipt->producer_id.data, node->producer_bytes);
  std::memcpy(node->answer(), receipt->answer.data, node->answer_bytes);
  *self.last = node;
  self.last = &node->next;
}

void free_results(ClientObject& self) noexcept {
  while (self.first != nullptr) {
    ResultNode* node = self.first;
    self.first = node->next;
    std::free(node);
  }
  self.last = &self.first;
}

// take_results(wait_ms) -> (results, outstanding)
PyObject* client_take_results(PyObject* object, PyObject* args) noexcept {
  ClientObject& self = *reinterpret_cast<ClientObject*>(object);
  int wait_ms = 0;
  if (PyArg_ParseTuple(args, "i", &wait_ms) == 0) return nullptr;
  if (self.client == nullptr) return Py_BuildValue("([]O)", Py_False);
  // One thread at a time: it has the list to itself without the GIL.
  if (self.taking) return Py_BuildValue("([]O)", Py_False);
  self.taking = true;
  bool outstanding = false;
  Py_BEGIN_ALLOW_THREADS;
  outstanding = wait_for_results(self, wait_ms);
  Py_END_ALLOW_THREADS;
  self.taking = false;
  const Ref results(PyList_New(0));
  for (ResultNode* node = self.first; results && node != nullptr; node = node->next) {
    const Ref one(tuple_of(*node));
    if (!one || PyList_Append(results.get(), one.get()) != 0) return nullptr;
  }
  free_results(self);
  if (!results) return nullptr;
  return Py_BuildValue("(OO)", results.get(), outstanding ? Py_True : Py_False);
}

}  // namespace xase::python
