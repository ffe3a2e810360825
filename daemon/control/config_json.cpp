#include "daemon/control/config_json.hpp"

#include <nlohmann/json.hpp>

namespace xased {

std::string config_json(const std::vector<ConfigLine>& lines) {
  using Json = nlohmann::ordered_json;
  Json list = Json::array();
  for (const ConfigLine& line : lines) {
    list.push_back({{"key", line.key}, {"value", line.value}, {"origin", line.origin}});
  }
  return Json{{"config", std::move(list)}}.dump(-1, ' ', false, Json::error_handler_t::replace) +
         "\n";
}

}  // namespace xased
