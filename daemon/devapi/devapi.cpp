#include "daemon/devapi/devapi.hpp"

#include <chrono>
#include <utility>

#include "daemon/devapi/api.hpp"
#include "daemon/devapi/faults.hpp"
#include "daemon/devapi/http_server.hpp"
#include "daemon/devapi/rules.hpp"
#include "daemon/devapi/store.hpp"

namespace xased {
namespace {

std::int64_t system_now_unix_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

struct DevApi::Impl {
  devapi::FaultPlan faults;
  std::unique_ptr<devapi::Store> store;
  std::unique_ptr<devapi::Api> api;
  std::unique_ptr<devapi::HttpServer> server;  // last: its threads use all of the others
  std::string url;
};

DevApi::DevApi(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

DevApi::~DevApi() { stop(); }

Result<std::unique_ptr<DevApi>> DevApi::start(DevApiOptions options) {
  if (!options.now_unix_ms) options.now_unix_ms = system_now_unix_ms;
  if (options.dir.empty()) return Status(Code::kInvalid, "the dev API needs a directory");
  if (!options.api_key.empty() && !devapi::is_api_key(options.api_key)) {
    return Status(Code::kInvalid, "an API key is xase_pk_ and 48 lowercase hex characters");
  }
  auto impl = std::make_unique<Impl>();
  if (!options.faults.empty()) {
    if (Status status = impl->faults.set(options.faults); !status.ok()) return status;
  }
  auto store = devapi::Store::open({.dir = options.dir,
                                    .forget_keys = options.forget_keys,
                                    .quota = options.quota,
                                    .now_unix_ms = options.now_unix_ms});
  if (!store.ok()) return store.status();
  impl->store = std::move(*store);
  impl->api = std::make_unique<devapi::Api>(
      devapi::ApiOptions{.api_key = options.api_key,
                         .rate_limit_per_hour = options.rate_limit_per_hour,
                         .public_url = options.public_url,
                         .now_unix_ms = options.now_unix_ms},
      *impl->store, impl->faults);
  auto server = devapi::HttpServer::listen({.host = options.host,
                                            .port = options.port,
                                            .connections_max = options.connections_max,
                                            .body_bytes_max = options.body_bytes_max});
  if (!server.ok()) return server.status();
  impl->server = std::move(*server);
  const bool is_ipv6 = options.host.find(':') != std::string::npos;
  impl->url = "http://" + (is_ipv6 ? "[" + options.host + "]" : options.host) + ":" +
              std::to_string(impl->server->port());
  if (options.public_url.empty()) impl->api->set_public_url(impl->url);
  impl->api->set_server(impl->server.get());
  Status status = impl->server->serve(
      [api = impl->api.get()](const devapi::HttpRequest& request) { return api->handle(request); },
      devapi::error_body);
  if (!status.ok()) return status;
  return std::unique_ptr<DevApi>(new DevApi(std::move(impl)));
}

int DevApi::port() const { return impl_->server->port(); }

std::string DevApi::base_url() const { return impl_->url + "/api/xase/v1"; }

std::uint64_t DevApi::torn_bytes_cut() const { return impl_->store->counters().torn_bytes_cut; }

std::uint64_t DevApi::records() const { return impl_->store->counters().records; }

Status DevApi::set_faults(const std::string& json) {
  if (!json.empty()) return impl_->faults.set(json);
  impl_->faults.clear();
  return {};
}

void DevApi::stop() { impl_->server->stop(); }

}  // namespace xased
