// rein gradcheck: the tape against central differences, over the registry of ops, modules and whole models.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "autograd/cases/case.h"
#include "tensor/error.h"
#include "train/cli/checks.h"

namespace rein::train {
namespace {

struct Options {
  std::vector<std::string> names;
  std::string device = "cpu";
  bool all = false, list = false;
};

void print_list() {
  for (const std::string& op : testing::registered_ops()) {
    int checked = 0;
    std::string level, others;
    for (const testing::OpCase& c : testing::cases_of(op)) {
      checked += !c.bench_only && c.check_gradient;
      level = c.level;
      others = c.names == c.op ? "" : ", also named " + c.names.substr(c.op.size() + 1);
    }
    std::printf("%-24s %-7s %d cases%s\n", op.c_str(), level.c_str(), checked, others.c_str());
  }
}

void print_row(const testing::OpCase& c, const GradcheckRow& row, const Globals& globals) {
  if (globals.json) {
    const nlohmann::json line{{"op", c.op},
                              {"case", c.label},
                              {"input", row.input},
                              {"where", row.where},
                              {"analytic", row.analytic},
                              {"numeric", row.numeric},
                              {"error", row.error},
                              {"tolerance", row.tolerance},
                              {"wrong", row.wrong},
                              {"checked", row.checked},
                              {"ok", row.ok},
                              {"note", row.note}};
    std::printf("%s\n", line.dump().c_str());
  } else if (!globals.quiet || !row.ok) {
    std::printf("%-18s %-26s %-12s %-14s %14.6g %14.6g %9.1e %9.1e  %s%s%s\n", c.op.c_str(), c.label.c_str(),
                row.input.c_str(), row.where.c_str(), row.analytic, row.numeric, row.error, row.tolerance,
                row.ok ? "ok" : "FAILED", row.note.empty() ? "" : ": ", row.note.c_str());
  }
}

void print_problem(const testing::OpCase& c, const std::string& problem, const Globals& globals) {
  if (globals.json)
    std::printf("%s\n",
                nlohmann::json{{"op", c.op}, {"case", c.label}, {"ok", false}, {"note", problem}}.dump().c_str());
  else
    std::printf("%-18s %-26s FAILED: %s\n", c.op.c_str(), c.label.c_str(), problem.c_str());
}

int run(const Options& options, const Globals& globals) {
  if (options.list) {
    print_list();
    return 0;
  }
  require(options.all || !options.names.empty(), "gradcheck", "name an op, a module or a model, or give --all");
  // Before anything is measured.
  const std::vector<std::string> ops =
      options.all ? testing::registered_ops() : testing::ops_named(options.names, "gradcheck");
  const Device device = parse_device(options.device);
  if (!globals.json && !globals.quiet) {
    std::printf("%-18s %-26s %-12s %-14s %14s %14s %9s %9s\n", "op", "case", "input", "worst element", "analytic",
                "numeric", "error", "limit");
  }
  int passed = 0, failed = 0;
  for (const std::string& op : ops) {
    for (const testing::OpCase& c : testing::cases_of(op)) {
      if (c.bench_only || !c.check_gradient) continue;
      const GradcheckReport report = testing::check_gradient(c, device);
      for (const GradcheckRow& row : report.rows) print_row(c, row, globals);
      if (!report.problem.empty()) print_problem(c, report.problem, globals);
      (report.ok ? passed : failed) += 1;
    }
  }
  if (!globals.json) std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}

}  // namespace

void add_gradcheck(CommandLine line, const Globals& globals) {
  auto options = std::make_shared<Options>();
  CommandLine cmd = line.command("gradcheck", "Compare gradients with central differences in f64");
  cmd.option("names", options->names, "Ops, modules or models (rein gradcheck --list)");
  cmd.flag("--all", options->all, "Everything that is registered");
  cmd.flag("--list", options->list, "Print what can be checked");
  cmd.option("--device", options->device, "cpu, cuda or cuda:N (default: cpu)");
  cmd.footer(
      "Per input: the derivative that is farthest off (an element, a random direction, an entry of the Jacobian), its\n"
      "error relative to the largest derivative of that input, and the limit of that error.\n"
      "Example: rein gradcheck softmax attention");
  cmd.runs([options, &globals] { return run(*options, globals); });
}

}  // namespace rein::train
