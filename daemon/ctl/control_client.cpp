#include "daemon/ctl/control_client.hpp"

#include <fcntl.h>
#include <httplib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <utility>

#include "proto/run_dir.hpp"

namespace xased::ctl {
namespace {

constexpr std::size_t kAnswerBytesMax = std::size_t{256} << 20;

std::string socket_name() { return std::string(xase::proto::kStatsSocket); }

// Why nobody answers, from the system rather than from the HTTP library, which does not keep it.
Status diagnose(const std::string& run_dir, int directory_fd, const std::string& short_path,
                bool connected_once) {
  const std::string shown = run_dir + "/" + socket_name();
  const std::string hint =
      ": is it running? systemctl status xased, or start one with: xased --dev";
  if (directory_fd < 0) {
    if (errno == EACCES) {
      return {Code::kDenied, "this user may not enter " + run_dir +
                                 ": be a member of the group xase, or try sudo"};
    }
    return {Code::kTimeout, "no daemon answers at " + shown + " (" + run_dir + " is not there)" +
                                hint + "; or name another with --run-dir"};
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  short_path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return os_status("cannot make a socket", errno);
  const int error =
      connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ? 0 : errno;
  close(probe);
  if (error == EACCES || error == EPERM) {
    return {Code::kDenied,
            "this user may not use " + shown + ": be a member of the group xase, or try sudo"};
  }
  if (error == 0 || error == EAGAIN) {
    return {Code::kTimeout, "the daemon at " + shown +
                                (connected_once ? " ended the connection" : " does not answer") +
                                ": see journalctl -u xased"};
  }
  return {Code::kTimeout, "no daemon answers at " + shown +
                              (error == ECONNREFUSED ? " (it was left by one that has died)" : "") +
                              hint};
}

Status refusal(const ControlReply& reply) {
  std::string message = "the daemon answered " + std::to_string(reply.status);
  const auto json = nlohmann::json::parse(reply.body, nullptr, false);
  if (json.is_object() && json.contains("error") && json["error"].is_string()) {
    message = json["error"].get<std::string>();
  }
  switch (reply.status) {
    case 403:
      return {Code::kDenied, message + "; try sudo, or sudo -u xased"};
    case 404:
      return {Code::kNotFound, message};
    case 400:
    case 405:
    case 413:
      return {Code::kInvalid, message};
    case 501:
      return {Code::kUnsupported, message};
    case 503:
      return {Code::kTimeout, message + " (it is busy): try again"};
    case 504:
      return {Code::kTimeout, message};
    default:
      return {Code::kIo, message};
  }
}

}  // namespace

class ControlClient::Connection {
 public:
  Connection(const std::string& run_dir, std::chrono::milliseconds timeout)
      : directory_fd_(open(run_dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)),
        open_error_(errno),
        // Short whatever the directory's path is: a socket's address holds 107 bytes.
        path_("/proc/self/fd/" + std::to_string(directory_fd_) + "/" + socket_name()),
        client_(path_, 80) {
    client_.set_address_family(AF_UNIX);
    client_.set_keep_alive(true);
    client_.set_connection_timeout(timeout);
    client_.set_read_timeout(timeout);
    client_.set_write_timeout(timeout);
    client_.set_url_encode(false);
    client_.set_default_headers({{"Host", "xased"}});
  }
  ~Connection() {
    if (directory_fd_ >= 0) close(directory_fd_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Result<ControlReply> request(bool is_post, const std::string& path, const std::string& run_dir) {
    if (directory_fd_ < 0) {
      errno = open_error_;
      return diagnose(run_dir, directory_fd_, path_, false);
    }
    ControlReply reply;
    const httplib::Result result = is_post ? client_.Post(path) : get(path, reply);
    if (!result) {
      return diagnose(run_dir, directory_fd_, path_, result.error() == httplib::Error::Read);
    }
    reply.status = result->status;
    if (is_post) reply.body = result->body;
    return reply;
  }

 private:
  httplib::Result get(const std::string& path, ControlReply& reply) {
    return client_.Get(path, [&reply](const char* data, std::size_t size) {
      if (reply.body.size() + size > kAnswerBytesMax) return false;
      reply.body.append(data, size);
      return true;
    });
  }

  const int directory_fd_;
  const int open_error_;
  const std::string path_;
  httplib::Client client_;
};

ControlClient::ControlClient(std::string run_dir, std::chrono::milliseconds timeout)
    : run_dir_(std::move(run_dir)), timeout_(timeout) {}

ControlClient::~ControlClient() = default;

Result<ControlReply> ControlClient::request(bool is_post, const std::string& path) {
  // Kept connections go stale; a GET may be asked again, on a new one.
  const bool again = connection_ != nullptr && !is_post;
  if (!connection_ || is_post) connection_ = std::make_unique<Connection>(run_dir_, timeout_);
  Result<ControlReply> reply = connection_->request(is_post, path, run_dir_);
  if (!reply.ok() && again) {
    connection_ = std::make_unique<Connection>(run_dir_, timeout_);
    reply = connection_->request(is_post, path, run_dir_);
  }
  if (!reply.ok()) connection_.reset();
  return reply;
}

Result<ControlReply> ControlClient::get(const std::string& path_and_query) {
  return request(false, path_and_query);
}

Result<ControlReply> ControlClient::post(const std::string& path) { return request(true, path); }

Result<std::string> ControlClient::get_ok(const std::string& path_and_query) {
  Result<ControlReply> reply = get(path_and_query);
  if (!reply.ok()) return reply.status();
  if (reply->status != 200) return refusal(*reply);
  return std::move(reply->body);
}

Result<std::string> ControlClient::post_ok(const std::string& path) {
  Result<ControlReply> reply = post(path);
  if (!reply.ok()) return reply.status();
  if (reply->status != 200) return refusal(*reply);
  return std::move(reply->body);
}

Result<Snapshot> ControlClient::snapshot(bool fresh) {
  const Result<std::string> body = get_ok(fresh ? "/stats?fresh=1" : "/stats");
  if (!body.ok()) return body.status();
  return parse_snapshot(*body);
}

}  // namespace xased::ctl
