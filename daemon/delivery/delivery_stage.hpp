// The delivery stage: reads the journal, posts records to the API, hands receipts back to intake.
//
// The journal is the queue: nothing undelivered is held in memory but the records that are being
// sent. Reads up to Positions::durable; counts a record as delivered once
// Positions::handbacks_durable covers its receipt. One owner thread and, while there is something
// to send, up to max_in_flight workers that do nothing but post().
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/delivery/counters.hpp"
#include "daemon/delivery/cursor.hpp"
#include "daemon/delivery/dead_letters.hpp"
#include "daemon/delivery/delivery_options.hpp"
#include "daemon/delivery/transport.hpp"
#include "daemon/ledger/handback.hpp"
#include "daemon/ledger/positions.hpp"
#include "daemon/platform/clock.hpp"
#include "daemon/platform/file_system.hpp"
#include "daemon/platform/random.hpp"
#include "daemon/platform/wake.hpp"

namespace xased {

// What delivery shares with the rest of the daemon. All of it outlives the stage.
struct DeliverySurroundings {
  FileSystem& fs;
  const Clock& clock;
  Random& random;
  // The journal is STATE_DIR/journal; cursor and dead letters are STATE_DIR/delivery.
  std::string state_dir;
  const Positions& positions;
  HandbackQueue& handbacks;
  // Rung after handbacks were pushed.
  Wake& intake_wake;
  // Entries that can no longer be read, of which the start has told.
  std::vector<SequenceRange> known_damage = {};
};

class DeliveryStage {
 public:
  // `transports`: empty for HTTP to options.base_url.
  DeliveryStage(const DeliverySurroundings& surroundings, const DeliveryOptions& options,
                TransportFactory transports = {});
  DeliveryStage(const DeliveryStage&) = delete;
  DeliveryStage& operator=(const DeliveryStage&) = delete;
  // Stops at once, if stop() was not called.
  ~DeliveryStage();

  // Makes STATE_DIR/delivery, loads the cursor and starts the owner thread. After recovery:
  // everything up to positions.durable may then be read.
  Status start();

  // Rung by whoever advances positions.durable or handbacks_durable. Also waits on a timer, so a
  // missed ring costs a quarter of a second.
  Wake& wake();

  // Any thread: takes effect at the owner's next step; requests that are under way end as they
  // were sent.
  void reconfigure(const DeliveryOptions& options);

  // Any thread. From now on, drained() becomes true when nothing is left that can be sent: every
  // durable record is settled, or delivery is paused or disabled.
  void begin_drain();
  bool drained() const;
  // Stops sending; requests under way get `grace` for their answer and for their receipt to become
  // durable (intake and sync must still run), then they are cut off. Writes the cursor. Returns
  // within about half a second of `grace`, whatever the peer does.
  void stop(std::chrono::nanoseconds grace);

  // Any thread: asks for another try of the record that is set aside. kNotFound where it is not,
  // kExists where it is being tried, kNoSpace where too many wait. Accepted is not yet durable: the
  // DEAD_LETTER entry of the request is.
  Status request_retry(std::uint64_t record_sequence);

  // Any thread.
  const DeadLetters& dead_letters() const;
  const DeliveryCounters& counters() const;
  // What the key in use looks like; empty where there is none. Any thread.
  std::string api_key_masked() const;
  std::string api_key_fingerprint() const;
  std::string api_key_check(const xase::proto::Id& salt) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace xased
