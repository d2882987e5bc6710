#include "train/cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>

#include "tensor/text.h"

namespace rein::train {
namespace {

std::vector<CLI::App*> all_commands(CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

}  // namespace

OptionWords& OptionWords::required() {
  option_->required();
  return *this;
}

OptionWords& OptionWords::between(int low, int high) {
  option_->check(CLI::Range(low, high));
  return *this;
}

OptionWords& OptionWords::between(double low, double high) {
  option_->check(CLI::Range(low, high));
  return *this;
}

OptionWords& OptionWords::positive() {
  option_->check(CLI::PositiveNumber);
  return *this;
}

OptionWords& OptionWords::one_of(std::initializer_list<const char*> values) {
  option_->check(CLI::IsMember(std::vector<std::string>(values.begin(), values.end())));
  return *this;
}

OptionWords& OptionWords::repeated() {
  option_->take_all()->allow_extra_args(false);
  return *this;
}

OptionWords& OptionWords::with_commas() {
  option_->delimiter(',')->allow_extra_args(false);
  return *this;
}

CommandLine CommandLine::command(const std::string& name, const std::string& text) {
  return {app_->add_subcommand(name, text), chosen_};
}

void CommandLine::needs_command() {
  app_->require_subcommand(1);
}

template <class T>
OptionWords CommandLine::option(const std::string& name, T& target, const std::string& text) {
  return OptionWords(app_->add_option(name, target, text));
}

template OptionWords CommandLine::option(const std::string&, std::string&, const std::string&);
template OptionWords CommandLine::option(const std::string&, int&, const std::string&);
template OptionWords CommandLine::option(const std::string&, std::int64_t&, const std::string&);
template OptionWords CommandLine::option(const std::string&, std::uint64_t&, const std::string&);
template OptionWords CommandLine::option(const std::string&, double&, const std::string&);
template OptionWords CommandLine::option(const std::string&, std::filesystem::path&, const std::string&);
template OptionWords CommandLine::option(const std::string&, std::vector<std::string>&, const std::string&);

void CommandLine::flag(const std::string& name, bool& target, const std::string& text) {
  app_->add_flag(name, target, text);
}

void CommandLine::takes_anything() {
  app_->allow_extras()->fallthrough(false);  // else they would be mistakes of the command around it
}

void CommandLine::footer(const std::string& text) {
  app_->footer(text);
}

void CommandLine::runs(Command chosen) {
  app_->callback([chosen = std::move(chosen), place = chosen_] { *place = chosen; });
}

ProgramLine::ProgramLine(const std::string& name, const std::string& text, std::function<std::string()> version)
    : app_(std::make_unique<CLI::App>(text, name)) {
  app_->set_version_flag("--version", std::move(version), "version, instruction set, kernels, threads");
  app_->require_subcommand(1);
  app_->fallthrough();
}

ProgramLine::~ProgramLine() = default;

CommandLine ProgramLine::top() {
  return {app_.get(), &chosen_};
}

std::vector<CommandLine> ProgramLine::commands() {
  std::vector<CommandLine> commands;
  for (CLI::App* command : all_commands(*app_)) commands.push_back(CommandLine(command, &chosen_));
  return commands;
}

bool ProgramLine::parse(int argc, char** argv, std::string& problem) {
  try {
    app_->parse(argc, argv);
    return true;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0)
      app_->exit(error);
    else
      problem = problem_of(error.what(), argc, argv);
    return false;
  }
}

std::string ProgramLine::help() const {
  const auto chosen = app_->get_subcommands();
  return app_->get_name() + " " + (chosen.empty() ? "" : chosen.front()->get_name() + " ") +
         "--help lists what is possible";
}

// CLI11's text, with the nearest known word when one was misspelt.
std::string ProgramLine::problem_of(const std::string& text, int argc, char** argv) const {
  const auto chosen = app_->get_subcommands();
  std::vector<std::string> known;
  const CLI::App& place = chosen.empty() ? *app_ : *chosen.front();
  if (chosen.empty())
    for (const CLI::App* command : all_commands(*app_)) known.push_back(command->get_name());
  if (chosen.empty() && argc > 1 && argv[1][0] != '-')
    return "there is no command \"" + std::string(argv[1]) + "\"" + did_you_mean(argv[1], known);
  for (const CLI::Option* option : place.get_options())
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  for (int i = 1; i < argc; ++i) {
    const std::string word(argv[i]);
    if (text.find(word) == text.npos || std::find(known.begin(), known.end(), word) != known.end()) continue;
    if (const std::string advice = did_you_mean(word, known); !advice.empty()) return text + advice;
  }
  return text;
}

}  // namespace rein::train
