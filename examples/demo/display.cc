// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.

#include "display.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "costs.h"

namespace demo {
namespace {

constexpr size_t kColumns = 64;
constexpr size_t kRows = 4;

bool IsColoured() {
  static const bool coloured = [] {
    const char *terminal = std::getenv("TERM");
    return isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr &&
           (terminal == nullptr || std::strcmp(terminal, "dumb") != 0);
  }();
  return coloured;
}

std::string Coloured(const char *code, const std::string &text) {
  return IsColoured() ? std::string("\033[") + code + "m" + text + "\033[0m" : text;
}

const char *BlockFor(double used) {
  static const char *const kBlocks[] = {"·", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  // Only what is empty looks empty, and only what is full looks full.
  const int eighths = static_cast<int>(std::ceil(used * 7));
  return kBlocks[used >= 1 ? 8 : eighths];
}

double Mebibytes(int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

void ShowRow(const char *name, const Events &now, const Events &before, int64_t present) {
  std::printf("%-28s %8ld %7ld %7ld %8ld %7ld %8ld %9ld %8ld %10.2f\n",
              name,
              static_cast<long>(now.created - before.created),
              static_cast<long>(now.sealed - before.sealed),
              static_cast<long>(now.aborted - before.aborted),
              static_cast<long>(now.evicted - before.evicted),
              static_cast<long>(now.deleted - before.deleted),
              static_cast<long>(now.fallback - before.fallback),
              static_cast<long>(now.callbacks - before.callbacks),
              static_cast<long>(present),
              Mebibytes(now.verified_bytes - before.verified_bytes));
}

}  // namespace

void ShowHeading(const std::string &text) { std::printf("\n%s\n", Coloured("1", text).c_str()); }

void ShowOccupancy(const std::string &title, const plasma::PlasmaAllocator &allocator) {
  ShowHeading(title);
  const auto used = allocator.Occupancy(kColumns * kRows);
  Expect(used.size() == kColumns * kRows, "the picture has another size");
  for (size_t row = 0; row < kRows; row++) {
    std::string line;
    for (size_t column = 0; column < kColumns; column++) {
      line += BlockFor(used[row * kColumns + column]);
    }
    std::printf("  %3.0f MiB │%s│\n",
                Mebibytes(allocator.GetFootprintLimit()) * static_cast<double>(row) / kRows,
                Coloured("32", line).c_str());
  }
  const int64_t in_files = allocator.FallbackAllocated();
  std::printf("  %.2f of %.0f MiB in use; in files on disk: %.2f MiB\n",
              Mebibytes(allocator.Allocated() - in_files),
              Mebibytes(allocator.GetFootprintLimit()),
              Mebibytes(in_files));
}

void ShowStages(const std::vector<Stage> &stages) {
  ShowHeading("What happened");
  std::printf("%-28s %8s %7s %7s %8s %7s %8s %9s %8s %10s\n",
              "",
              "created",
              "sealed",
              "aborted",
              "evicted",
              "deleted",
              "on disk",
              "callbacks",
              "present",
              "MiB seen");
  Events before;
  for (const auto &stage : stages) {
    ShowRow(stage.name.c_str(), stage.events, before, stage.present);
    before = stage.events;
  }
  ShowRow("together", before, Events(), stages.back().present);
  std::printf("%s\n",
              Coloured("2", "\"MiB seen\": verified byte by byte by the second process").c_str());
}

void ShowCosts(const std::vector<std::pair<std::string, double>> &costs) {
  ShowHeading("What it costs: nanoseconds an operation, median of " + std::to_string(kBatches) +
              " batches of " + std::to_string(kBatchSize) + " objects of 1 KiB");
  for (const auto &[name, nanoseconds] : costs) {
    std::printf("  %-18s %7.1f\n", name.c_str(), nanoseconds);
  }
}

}  // namespace demo
