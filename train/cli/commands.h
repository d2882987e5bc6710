// The subcommands of the `rein` program, one file each (cmd_NAME.cpp). A function adds its options to the app and sets
// `chosen` when the user names it; main runs that. Exit status: 0 done, 1 a check failed, 2 bad input.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace rein::train {

struct Globals {
  bool quiet = false;  // only results and errors
  bool json = false;   // results as JSON lines on standard output
  int threads = 0;     // of the kernels; 0: not given. main has set them already
};

using Command = std::function<int()>;

void add_train(CLI::App& app, const Globals& globals, Command& chosen);
void add_eval(CLI::App& app, const Globals& globals, Command& chosen);
void add_predict(CLI::App& app, const Globals& globals, Command& chosen);
void add_pretrain(CLI::App& app, const Globals& globals, Command& chosen);
void add_convert(CLI::App& app, const Globals& globals, Command& chosen);
void add_inspect(CLI::App& app, const Globals& globals, Command& chosen);
void add_gradcheck(CLI::App& app, const Globals& globals, Command& chosen);
void add_verify(CLI::App& app, const Globals& globals, Command& chosen);
void add_bench(CLI::App& app, const Globals& globals, Command& chosen);
void add_compare(CLI::App& app, const Globals& globals, Command& chosen);
void add_report(CLI::App& app, const Globals& globals, Command& chosen);
void add_scenes(CLI::App& app, const Globals& globals, Command& chosen);
void add_graph(CLI::App& app, const Globals& globals, Command& chosen);

}  // namespace rein::train
