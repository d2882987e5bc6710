// The words of the command line, over CLI11: what commands say about their options, in few words of our own. Only
// command_line.cpp includes CLI11, a library of headers that would cost every command's file several seconds to
// compile.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace rein::train {

using Command = std::function<int()>;  // gives the exit status

// An option or an argument that was just added; each word gives it back for the next.
class OptionWords {
 public:
  explicit OptionWords(CLI::Option* option) : option_(option) {}
  OptionWords& required();
  OptionWords& between(int low, int high);
  OptionWords& between(double low, double high);
  OptionWords& positive();
  OptionWords& one_of(std::initializer_list<const char*> values);
  OptionWords& repeated();     // --set A --set B: one value each time
  OptionWords& with_commas();  // --kind a,b

 private:
  CLI::Option* option_;
};

// A command's place in the program: a light handle.
class CommandLine {
 public:
  CommandLine command(const std::string& name, const std::string& text);
  void needs_command();  // its own commands are no option: one of them must be named
  // `--name`, or an argument by its place where the name has no dashes; `target` must outlive parsing and holds the
  // default. Defined for std::string, std::filesystem::path, int, std::int64_t, std::uint64_t, double and
  // vectors of strings.
  template <class T>
  OptionWords option(const std::string& name, T& target, const std::string& text = "");
  void flag(const std::string& name, bool& target, const std::string& text);
  void takes_anything();  // words that nothing declares are no mistake, and are not kept
  void footer(const std::string& text);
  void runs(Command chosen);  // when the user names this command

 private:
  friend class ProgramLine;
  CommandLine(CLI::App* app, Command* chosen) : app_(app), chosen_(chosen) {}
  CLI::App* app_;
  Command* chosen_;
};

// The whole line. Options that a command lacks are looked for in the command around it (rein bench op --json).
class ProgramLine {
 public:
  ProgramLine(const std::string& name, const std::string& text, std::function<std::string()> version);
  ~ProgramLine();
  CommandLine top();
  std::vector<CommandLine> commands();

  // Reads the line. True: chosen() is what to run. False: help or version was printed, or `problem` says what is wrong,
  // with the nearest known word where one was misspelt.
  bool parse(int argc, char** argv, std::string& problem);
  const Command& chosen() const { return chosen_; }
  std::string help() const;  // "rein COMMAND --help lists what is possible"

 private:
  std::string problem_of(const std::string& text, int argc, char** argv) const;
  std::unique_ptr<CLI::App> app_;
  Command chosen_;
};

}  // namespace rein::train
