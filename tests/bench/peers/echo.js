// SPDX-License-Identifier: BSD-2-Clause
// An echo as one would write it with node.
'use strict';
const net = require('node:net');

net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  socket.pipe(socket);
}).listen({ host: '127.0.0.1', port: Number(process.argv[2]), backlog: 4096 });
