// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Stand-in for Ray's header of this name, with as much as the drop-in headers need. Inside a Ray build Ray's serves.

#pragma once

#include <utility>  // before Boost: 1.74 forgets it under C++20

#include <boost/asio.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

/// A context of Asio's whose work has names. Here nothing is done with the names.
class instrumented_io_context : public boost::asio::io_context {
 public:
  explicit instrumented_io_context(bool emit_metrics = false,
                                   bool running_on_single_thread = false,
                                   std::optional<std::string> context_name = std::nullopt);

  void post(std::function<void()> handler, std::string name, int64_t delay_us = 0);
  void dispatch(std::function<void()> handler, std::string name);
};
