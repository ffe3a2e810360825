// From a request on the stats socket to its answer.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "daemon/control/control_server.hpp"

namespace xased {

struct ControlRequest {
  std::string method;  // GET or POST
  std::string path;    // decoded, without the query
  std::multimap<std::string, std::string> query;
  bool privileged = false;
  // Waits; false as soon as the peer has gone or the server stops.
  std::function<bool(std::chrono::milliseconds)> wait;
};

struct ControlAnswer {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
};

// Any thread.
ControlAnswer answer_control(const ControlHooks& hooks, const ControlRequest& request);

}  // namespace xased
