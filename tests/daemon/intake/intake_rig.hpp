// The intake stage over a ledger on a fake disk and real ring files, stepped by hand.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "daemon/intake/intake_stage.hpp"
#include "tests/support/ledger_rig.hpp"
#include "tests/support/ring_producer.hpp"
#include "tests/support/temp_dir.hpp"

namespace xased::test {

class IntakeRig : public LedgerRig {
 public:
  explicit IntakeRig(std::uint64_t segment_bytes = 1 << 20) : LedgerRig(segment_bytes) {
    std::filesystem::create_directory(run / "rings");
    start_all();
  }
  ~IntakeRig() { stop_all(); }

  // --- The process ---

  void start_all() {
    stop_all();
    must_start();
    handbacks = std::make_unique<HandbackQueue>();
    start_intake();
  }
  void start_intake(std::size_t rings_max = 100) {
    IntakeOptions intake_options;
    intake_options.run_dir = run.path();
    intake_options.rings_max = rings_max;
    intake = std::make_unique<IntakeStage>(
        intake_options,
        IntakeStage::Peers{clock, *positions, *sync, *handbacks, *intake_wake, delivery_wake},
        *ledger, recovery.rings);
  }
  void stop_all() {
    // Their words live in pages that intake maps.
    intake.reset();
    handbacks.reset();
    stop();
  }
  // kill -9, and a new process.
  void kill_and_start_all() {
    stop_all();
    fs.restart();
    start_all();
  }

  // --- Steps ---

  // One step of intake and what the sync stage makes of it.
  void step() {
    (void)intake->step();
    run_sync();
  }
  // Steps until there is nothing left to do: past the folder's listing, too.
  void run_intake(int steps = 6) {
    for (int i = 0; i < steps; ++i) {
      clock.advance(std::chrono::milliseconds(1100));
      step();
    }
  }

  // --- Looking ---

  // The ledger's entries of a type.
  std::vector<KeptEntry> entries(xase::proto::EntryType type) {
    std::vector<KeptEntry> out;
    for (const KeptEntry& entry : read(journaled()).entries) {
      if (entry.leaf.type == type) out.push_back(entry);
    }
    return out;
  }
  // Ring sequences of the records of a ring, in the ledger's order.
  std::vector<std::uint64_t> records_of(const RingProducer& producer) {
    std::vector<std::uint64_t> out;
    for (const KeptEntry& entry : entries(xase::proto::EntryType::kRecord)) {
      if (entry.leaf.ring_id == producer.id()) out.push_back(entry.leaf.ring_sequence);
    }
    return out;
  }
  std::vector<xase::proto::GapBody> gaps() {
    gap_entries_ = entries(xase::proto::EntryType::kGap);
    std::vector<xase::proto::GapBody> out;
    for (const KeptEntry& entry : gap_entries_) {
      out.push_back(*xase::proto::decode_gap_body(entry.body()));
    }
    return out;
  }
  // Names in the rings folder that start with `prefix`.
  std::vector<std::string> files(const std::string& prefix = "") {
    std::vector<std::string> out;
    for (const std::string& name : run.list("rings")) {
      if (name.starts_with(prefix)) out.push_back(name);
    }
    return out;
  }
  LedgerView view() { return intake->counters().ledger.read(); }

  TempDir run;
  Wake delivery_wake;
  std::unique_ptr<HandbackQueue> handbacks;
  std::unique_ptr<IntakeStage> intake;

 private:
  std::vector<KeptEntry> gap_entries_;
};

}  // namespace xased::test
