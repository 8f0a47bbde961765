// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// The names of sockets.

#pragma once

#include <string>
#include <string_view>

namespace plasma_rs {

/// The path of a socket that is named by its path or as a URL.
inline std::string SocketPath(const std::string &name) {
  constexpr std::string_view kScheme = "unix://";
  return name.compare(0, kScheme.size(), kScheme) == 0 ? name.substr(kScheme.size()) : name;
}

}  // namespace plasma_rs
