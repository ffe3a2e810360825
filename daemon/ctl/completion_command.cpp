#include <unistd.h>

#include <map>
#include <memory>
#include <string>

#include "daemon/ctl/command.hpp"
#include "daemon/ctl/terminal.hpp"

namespace xased::ctl {
namespace {

// All that can stand after `app`'s own name: commands, and options with two dashes.
std::string words_of(const CLI::App& app) {
  std::string words;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    words += command->get_name() + " ";
  }
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) words += "--" + name + " ";
  }
  return words;
}

void add_cases(const CLI::App& app, const std::string& path, std::string& cases) {
  cases += "    \"" + path + "\") words=\"" + words_of(app) + "\" ;;\n";
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    add_cases(*command, path.empty() ? command->get_name() : path + " " + command->get_name(),
              cases);
  }
}

// Drawn from the commands as they are, so that it cannot fall behind them.
std::string bash_script(const CLI::App& app) {
  std::string cases;
  add_cases(app, "", cases);
  return R"(_xasectl() {
  local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" path="" words word
  case "$previous" in
    --for|--wait) COMPREPLY=($(compgen -W "committed journaled durable delivered" -- "$current")); return ;;
    --disclose) COMPREPLY=($(compgen -W "none all input output context explanation" -- "$current")); return ;;
    --run-dir|--state-dir) COMPREPLY=($(compgen -d -- "$current")); return ;;
    --config|--key|--checkpoint|--out) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  local i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="${COMP_WORDS[i]}"
    case "$word" in
      --run-dir|--state-dir|--config|--key|--checkpoint|--out|--from|--to|--disclose) ((i++)) ;;
      -*) ;;
      *) path="${path:+$path }$word" ;;
    esac
  done
  case "$path" in
)" + cases +
         R"(    *) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  COMPREPLY=($(compgen -W "$words --run-dir --config --json --help" -- "$current"))
  case "$path" in
    record) [[ "$current" == -* ]] || COMPREPLY+=($(compgen -f -- "$current")) ;;
    verify|"keys show") [[ "$current" == -* ]] || COMPREPLY+=($(compgen -d -- "$current")) ;;
  esac
}
complete -o filenames -F _xasectl xasectl
)";
}

}  // namespace

void add_completion_command(CLI::App& app, Globals& globals) {
  CLI::App* command =
      app.add_subcommand("completion", "A script for the shell: source <(xasectl completion bash)");
  auto shell = std::make_shared<std::string>();
  command->add_option("SHELL", *shell, "bash or zsh")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh"}));
  command->callback([&app, &globals, shell] {
    std::string script = bash_script(app);
    if (*shell == "zsh") script = "autoload -U +X bashcompinit && bashcompinit\n" + script;
    globals.exit_code = write_all(STDOUT_FILENO, script) ? kExitOk : kExitNo;
  });
}

}  // namespace xased::ctl
