// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// Drop-in for Ray's header of this name: a descriptor over a local socket. Both wait, also when the socket does not block.

#pragma once

/// Sends a descriptor, with a byte that says nothing.
///
/// \param conn A connected local socket.
/// \return The bytes sent: 1; 0 or less when it could not be sent.
int send_fd(int conn, int fd);

/// Receives a byte and the descriptor that comes with it.
///
/// \return The descriptor, which closes on exec; -1 when none came, or more than one.
int recv_fd(int conn);
