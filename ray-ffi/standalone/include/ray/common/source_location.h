// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Stand-in for Ray's header of this name, with as much as the drop-in headers need. Inside a Ray build Ray's serves.

#pragma once

#include <ostream>
#include <string_view>

namespace ray {

/// A line of a source file. Without a name it is not known.
struct SourceLocation {
  SourceLocation() = default;
  /// `file` is not copied.
  SourceLocation(std::string_view file, int line) : filename(file), line_no(line) {}

  std::string_view filename;
  int line_no = 0;
};

inline bool IsValidSourceLoc(const SourceLocation &location) {
  return !location.filename.empty();
}

inline std::ostream &operator<<(std::ostream &out, const SourceLocation &location) {
  return IsValidSourceLoc(location) ? out << location.filename << ":" << location.line_no : out;
}

}  // namespace ray

#define RAY_LOC() ::ray::SourceLocation(__FILE__, __LINE__)
